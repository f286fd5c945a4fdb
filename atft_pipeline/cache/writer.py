"""Writes the day store month by month, so that memory holds one month of the panel and never the whole history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from atft_pipeline.cache.layout import LAYOUT_VERSION, Layout
from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import Contract
from atft_pipeline.normalization.cross_section import normalize_cross_section
from atft_pipeline.normalization.targets import normalize_target
from atft_pipeline.settings import Settings

MIN_KNOWN_SHARE = 0.5
"""A family counts as known for a (Date, Code) if at least this share of its columns is."""

Progress = Callable[[str, int, int], None]
Block = dict[str, npt.NDArray[Any]]


def write_cache(
    path: Path,
    features: pl.LazyFrame,
    targets: pl.LazyFrame,
    sessions: Sequence[date],
    contract: Contract,
    settings: Settings,
    *,
    on_progress: Progress | None = None,
) -> None:
    """Write features, masks and targets of `sessions` to one Arrow file of constant stride.

    Cross-section kinds are normalized here, per day over all its stocks, and a null becomes 0 afterwards; `time_series`
    columns stay raw with NaN for null, because their scaling belongs to a fold. A family's mask is taken before nulls
    are filled. A code without a row on a session is outside the universe that day: mask False, features 0 or NaN,
    targets NaN. Session t's row holds what was known at the close of t, and labels of the sessions after it.
    The same input gives the same bytes.

    Args:
        path: file to write; replaced if it exists.
        features: Date, Code and the contract's columns, one row per stock in the universe of a day.
        targets: Date, Code, `close_h` and `next_open_h` for the horizons of the settings.
        sessions: every session to store, ascending; those without rows are stored too.
        contract: columns in the order in which they are stored.
        settings: `targets.horizons` and `targets.entry`.
        on_progress: called with (label, done, total) after each month.

    Raises:
        ContractError: a column is missing, a (Date, Code) is twice, or a row lies on a day that is not a session.
    """
    _require_columns(features, targets, contract, settings)
    span = pl.col("Date").is_between(min(sessions), max(sessions))
    codes = features.filter(span).select(pl.col("Code").unique().sort()).collect()["Code"]
    layout = Layout(
        version=LAYOUT_VERSION,
        contract_hash=contract.hash,
        days=tuple(sessions),
        codes=tuple(codes.to_list()),
        feature_names=contract.names,
        families=contract.families,
        horizons=settings.targets.horizons,
        entry=settings.targets.entry,
    )
    probe = _record_batch(layout, _empty_block(layout, contract, 1), 0)
    layout = replace(layout, stride=pa.ipc.get_record_batch_size(probe))
    months = [tuple(days) for _, days in groupby(sessions, key=lambda day: (day.year, day.month))]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, layout.schema) as file:
        for done, days in enumerate(months, start=1):
            within = pl.col("Date").is_between(days[0], days[-1])
            block = _month_block(
                layout, contract, days, features.filter(within).collect(), targets.filter(within).collect()
            )
            for position in range(len(days)):
                file.write_batch(_record_batch(layout, block, position))
            if on_progress is not None:
                on_progress("arrow_cache", done, len(months))


def _require_columns(features: pl.LazyFrame, targets: pl.LazyFrame, contract: Contract, settings: Settings) -> None:
    labels = [f"{entry}_{h}" for entry in ("close", "next_open") for h in settings.targets.horizons]
    for name, frame, wanted in (("features", features, contract.names), ("targets", targets, labels)):
        missing = sorted({"Date", "Code", *wanted} - set(frame.collect_schema().names()))
        if missing:
            raise ContractError(
                f"{name} lacks {len(missing)} columns: {', '.join(missing[:8])}.", remedy=f"Make {name} again."
            )


def _empty_block(layout: Layout, contract: Contract, n_days: int) -> Block:
    """Arrays [days, C, width] of a time without a single stock."""
    block: Block = {}
    for slot in layout.slots:
        fill = False if slot.dtype == np.bool_ else 0.0 if slot.name == "features" else np.nan
        block[slot.name] = np.full((n_days, len(layout.codes), slot.width), fill, dtype=slot.dtype)
    block["features"][:, :, _time_series(contract)] = np.nan
    return block


def _time_series(contract: Contract) -> npt.NDArray[np.bool_]:
    return np.array([column.kind == "time_series" for column in contract.columns], dtype=np.bool_)


def _month_block(
    layout: Layout, contract: Contract, days: Sequence[date], features: pl.DataFrame, targets: pl.DataFrame
) -> Block:
    block = _empty_block(layout, contract, len(days))
    normalized = normalize_cross_section(features, contract)
    day, code = _positions(layout, days, normalized, "features")
    values = normalized.select(layout.feature_names).to_numpy().astype(np.float32)
    known = ~np.isnan(values)
    family_of = np.array([layout.families.index(column.family) for column in contract.columns])
    for g in range(len(layout.families)):
        block["families"][day, code, g] = known[:, family_of == g].mean(axis=1) >= MIN_KNOWN_SHARE
    block["features"][day, code] = np.where(known | _time_series(contract), values, np.float32(0.0))
    block["in_universe"][day, code, 0] = True

    day, code = _positions(layout, days, targets, "targets")
    inside = (code >= 0) & block["in_universe"][day, code, 0].astype(np.bool_)
    day, code, targets = day[inside], code[inside], targets.filter(pl.Series(inside))
    returns = {e: _returns(targets, e, layout.horizons) for e in ("close", "next_open")}
    block["returns"][day, code] = returns[layout.entry]
    block["returns_close"][day, code] = returns["close"]
    moves = returns["close"][:, : layout.horizons.count(1)]
    for position in range(len(days)):
        rows = day == position
        block["targets"][position, code[rows]] = normalize_target(returns[layout.entry][rows].T).T
        if moves.shape[1]:
            block["next_move"][position, code[rows]] = normalize_target(moves[rows].T).T
    return block


def _returns(targets: pl.DataFrame, entry: str, horizons: Sequence[int]) -> npt.NDArray[np.float64]:
    """[rows, K] forward returns of one entry; null becomes NaN."""
    return targets.select(pl.col(f"{entry}_{h}").cast(pl.Float64) for h in horizons).to_numpy()


def _positions(
    layout: Layout, days: Sequence[date], frame: pl.DataFrame, name: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Place of each row of `frame` on the day and code axes; rows of targets of unknown codes get a code of -1."""
    day_of: Mapping[date, int] = {day: i for i, day in enumerate(days)}
    strangers = frame.filter(~pl.col("Date").is_in(list(days)))
    if strangers.height:
        raise ContractError(
            f"{name} has {strangers.height} rows on days that are no sessions, first {strangers['Date'].min()!s}.",
            remedy="Give every session of the period, or make the table again.",
        )
    if frame.select("Date", "Code").is_duplicated().any():
        raise ContractError(f"{name} holds a (Date, Code) twice in {days[0]:%Y-%m}.", remedy=f"Make {name} again.")
    code_of = {code: i for i, code in enumerate(layout.codes)}
    day = frame["Date"].replace_strict(day_of, return_dtype=pl.Int64).to_numpy()
    code = frame["Code"].replace_strict(code_of, default=-1, return_dtype=pl.Int64).to_numpy()
    return day, code


def _record_batch(layout: Layout, block: Mapping[str, npt.NDArray[Any]], position: int) -> pa.RecordBatch:
    columns = []
    for slot in layout.slots:
        flat = np.ascontiguousarray(block[slot.name][position]).reshape(-1)
        values = pa.array(flat.view(np.uint8) if slot.dtype == np.bool_ else flat)
        columns.append(pa.FixedSizeListArray.from_arrays(values, slot.width))
    return pa.RecordBatch.from_arrays(columns, schema=layout.schema)
