"""From raw tables to the feature table: one row per member of the universe and session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import CONTRACT, FEATURES
from atft_pipeline.features.panel import Panel, build_panel

ALWAYS = ("daily_bars", "trading_calendar")
"""Raw tables that are read whatever the families. The master's part comes with the universe, as of each day."""

THROUGH_UNIVERSE = ("equities_master",)


def compute_features(
    tables: Mapping[str, pl.LazyFrame],
    universe: pl.LazyFrame,
    families: Iterable[str],
    start: date,
    end: date,
) -> pl.LazyFrame:
    """Raw feature values of the universe over [start, end].

    The history is cut to the contract's warm-up before `start`, and each column looks back a fixed number of
    sessions, so a period computed in parts equals the period computed at once. Nothing after t enters the row of t.

    Args:
        tables: raw tables by name, rows in any order, with the warm-up before `start` where it exists: `daily_bars`,
            `trading_calendar`, and the endpoints of the families.
        universe: Date, Code, in_universe, S33, S17, Mkt; rows outside [start, end] are left out.
        families: families of the contract.
        start: first day, session or not.
        end: last day, included.

    Returns:
        Date, Code and the families' columns in the contract's order (Float32), sorted by (Date, Code), one row per
        member of the universe. Null = unknown; a stock without a trade on the day keeps its row.

    Raises:
        ContractError: a table is missing, a family is unknown, or (Date, Code) is there twice.
    """
    contract = CONTRACT.select(families)
    needed = dict.fromkeys([*ALWAYS, *contract.endpoints])
    missing = [name for name in needed if name not in tables and name not in THROUGH_UNIVERSE]
    if missing:
        raise ContractError(f"tables lacks {', '.join(missing)}.", remedy="Hand over every raw table it is made from.")
    calendar = TradingCalendar.from_frame(tables["trading_calendar"].select("Date", "HolDiv").collect())
    members = (
        universe.filter(pl.col("in_universe"), pl.col("Date").is_between(start, end))
        .select("Date", "Code", "S33", "S17", "Mkt")
        .filter(pl.col("Date").is_in(list(calendar.between(start, end))))
        .sort("Date", "Code")
        .collect()
    )
    panel = build_panel(tables, members, _with_warmup(calendar, start, end, contract.warmup), calendar)
    names = frozenset(contract.names)
    computed: dict[str, pl.Series] = {}
    with np.errstate(divide="ignore", invalid="ignore"):  # 0/0 and log(0) of a dead window are NaN, that is: null
        for feature in FEATURES:
            if feature.column.name in names:
                computed[feature.column.name] = _nullable(_at_cells(feature.compute(panel), panel))
    return members.select("Date", "Code").with_columns(**computed).select("Date", "Code", *contract.names).lazy()


def _at_cells(values: NDArray[np.float64] | NDArray[np.float32], panel: Panel) -> NDArray[np.float32]:
    flat = values if values.ndim == 1 else np.broadcast_to(values, panel.member.shape).reshape(-1)[panel.cells]
    return np.asarray(flat, dtype=np.float32)


def _nullable(values: NDArray[np.float32]) -> pl.Series:
    """The values without a copy, null where they are not finite."""
    known = np.packbits(np.isfinite(values), bitorder="little")
    buffers = [pa.py_buffer(known), pa.py_buffer(values)]
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.float32(), len(values), buffers)))


def _with_warmup(calendar: TradingCalendar, start: date, end: date, warmup: int) -> Sequence[date]:
    inside = calendar.between(start, end)
    if not inside:
        return ()
    first = calendar.position(inside[0])
    return (*calendar.sessions[max(first - warmup, 0) : first], *inside)
