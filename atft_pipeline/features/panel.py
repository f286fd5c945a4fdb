"""The panel: bars, index and universe as dense [D, C] arrays, and the price series that all families share.

Prices are never adjusted backwards from the newest split. `A_t` (AdjFactor) stands on the ex-date, so a price of
session s is brought to the share basis of session t by the factors of (s, t]; ratios of such prices are the same
whatever the panel's first session is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.errors import ContractError
from atft_pipeline.features.windows import Array, lag

T = TypeVar("T")

STALE_AFTER = 60
"""A close older than this many sessions is no base for a return any more: this is what keeps warm-ups finite."""


@dataclass(frozen=True, eq=False)
class Prices:
    """Bars on a session grid: every array is [D, C], NaN on a session without trade; `factor` is 1 there.

    Attributes:
        open, high, low, close: as traded, yen.
        volume: shares. value: yen.
        factor: A_t.
        limit_up, limit_down: 1 if the day's limit was hit, by the source; NaN throughout if the source does not say.
    """

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    value: Array
    factor: Array
    limit_up: Array
    limit_down: Array

    @cached_property
    def carried(self) -> Array:
        """Last close at or before t on the share basis of t [D, C]; NaN once it is older than `STALE_AFTER`."""
        out = self.close.copy()
        age = np.zeros(out.shape[1])
        for t in range(1, len(out)):
            missing = np.isnan(out[t])
            age = np.where(missing, age + 1, 0)
            out[t] = np.where(missing, out[t - 1] * self.factor[t], out[t])
            out[t][age > STALE_AFTER] = np.nan
        return out

    @cached_property
    def previous_close(self) -> Array:
        """Last close before t on the share basis of t [D, C]: the base of the day's return and of its price limit."""
        return lag(self.carried, 1) * self.factor

    @cached_property
    def daily_return(self) -> Array:
        """`C_t / (C_s prod_{(s, t]} A) - 1` [D, C], s the last session with a trade; NaN without a trade at t."""
        return self.close / self.previous_close - 1.0

    @cached_property
    def session_return(self) -> Array:
        """`C_t / (C_{t-1} A_t) - 1` [D, C]; NaN unless both t and the session before traded (for regressions)."""
        return np.asarray(self.close / (lag(self.close, 1) * self.factor) - 1.0)

    @cached_property
    def basis(self) -> Array:
        """Product of the factors up to t [D, C]; `price / basis` and `volume * basis` are on one share basis."""
        return np.cumprod(self.factor, axis=0, dtype=np.float64)

    @cached_property
    def level(self) -> Array:
        """Close on the panel's share basis [D, C]: only ratios of it mean something."""
        return self.close / self.basis

    def past_return(self, sessions: int) -> Array:
        """`C_t / (C_{t-n} prod_{(t-n, t]} A) - 1` [D, C]; the last close at or before t-n stands for a missing one."""
        if sessions == 1:
            return self.daily_return
        if sessions not in self._past_returns:
            self._past_returns[sessions] = self.level / lag(self._carried_level, sessions) - 1.0
        return self._past_returns[sessions]

    @cached_property
    def _carried_level(self) -> Array:
        return self.carried / self.basis

    @cached_property
    def _past_returns(self) -> dict[int, Array]:
        return {}


@dataclass(frozen=True, eq=False)
class Panel:
    """What features are computed from.

    Attributes:
        sessions: D sessions, warm-up included.
        codes: C stock codes, sorted.
        prices: bars of the stocks [D, C].
        topix: the index as prices of one column [D, 1].
        member: in the universe [D, C]; False throughout the warm-up.
        s33, s17, section: industry and market section of the stock on the day [D, C]: a number per code of the
            classification, -1 unknown (sections: throughout, where the master is one stretched snapshot).
        labels: by classification, its codes in the order of their numbers.
        calendar: every known session, also those outside the panel.
        tables: the raw tables, for what is not on a grid of bars.
    """

    sessions: tuple[date, ...]
    codes: tuple[str, ...]
    prices: Prices
    topix: Prices
    member: NDArray[np.bool_]
    s33: NDArray[np.int64]
    s17: NDArray[np.int64]
    section: NDArray[np.int64]
    labels: Mapping[str, tuple[str, ...]]
    calendar: TradingCalendar
    tables: Mapping[str, pl.LazyFrame]

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """Where the members stand in a flattened [D, C], by session, then code: the rows of the feature table."""
        return np.flatnonzero(self.member)

    @cached_property
    def memo(self) -> dict[object, object]:
        """What several columns share, by a key of their own: computed once for a panel."""
        return {}

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gives, from `memo` if it is there: a key stands for one kind of thing."""
        if key not in self.memo:
            self.memo[key] = make()
        return cast(T, self.memo[key])


CLASSIFICATIONS = {"s33": "S33", "s17": "S17", "section": "Mkt"}
"""Names of the panel's classifications, and the universe's columns that they come from."""


def build_panel(
    tables: Mapping[str, pl.LazyFrame], members: pl.DataFrame, sessions: Sequence[date], calendar: TradingCalendar
) -> Panel:
    """Panel over `sessions` for the stocks of `members`.

    Args:
        tables: `daily_bars` and, where a family needs them, `topix` and others; rows in any order; other dates and
            codes are left out.
        members: rows of the universe that are in it: Date, Code, S33, S17, Mkt.
        sessions: ascending; the warm-up first.
        calendar: every known session.

    Raises:
        ContractError: two rows for one (Date, Code).
    """
    codes = tuple(members["Code"].unique().sort().to_list())
    position = positions(members, sessions, codes)
    shape = (len(sessions), len(codes))
    member = np.zeros(shape, dtype=np.bool_)
    member[position] = True
    groups: dict[str, NDArray[np.int64]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for name, column in CLASSIFICATIONS.items():
        labels[name] = tuple(sorted(set(members[column].drop_nulls().unique().to_list()) - {"-", ""}))
        groups[name] = np.full(shape, -1, dtype=np.int64)
        groups[name][position] = _numbers(members[column], labels[name])
    nothing = pl.LazyFrame(schema={"Date": pl.Date})
    return Panel(
        sessions=tuple(sessions),
        codes=codes,
        prices=grid(tables["daily_bars"], sessions, codes),
        topix=grid(tables.get("topix", nothing).with_columns(Code=pl.lit("TOPIX")), sessions, ("TOPIX",)),
        member=member,
        **groups,
        labels=labels,
        calendar=calendar,
        tables=tables,
    )


def _numbers(found: pl.Series, labels: Sequence[str]) -> NDArray[np.int64]:
    """The place of each label among `labels`, -1 for another one and for null."""
    numbers = pl.Series(range(len(labels)), dtype=pl.Int64)
    known = found.cast(pl.String).replace_strict(pl.Series(labels, dtype=pl.String), numbers, default=-1)
    return known.cast(pl.Int64).fill_null(-1).to_numpy()


def grid(bars: pl.LazyFrame, sessions: Sequence[date], codes: Sequence[str]) -> Prices:
    """Bars (Date, Code, O, H, L, C and, if there, Vo, Va, AdjFactor, UL, LL) as [D, C] arrays.

    Missing data: an absent row, an absent column and a null become NaN, except for the factor: 1. A price that is
    not positive is NaN.

    Raises:
        ContractError: two rows for one (Date, Code).
    """
    there = bars.collect_schema().names()
    wanted = [name for name in ("O", "H", "L", "C", "Vo", "Va", "AdjFactor", "UL", "LL") if name in there]
    low, high = (sessions[0], sessions[-1]) if sessions else (date.min, date.min)
    rows = (
        bars.select("Date", "Code", *(pl.col(name).cast(pl.Float64, strict=False) for name in wanted))
        .filter(pl.col("Date").is_between(low, high), pl.col("Code").is_in(list(codes)))
        .filter(pl.col("Date").is_in(list(sessions)))
        .collect()
    )
    position = positions(rows, sessions, codes)
    shape = (len(sessions), len(codes))
    arrays: dict[str, Array] = {}
    for name in ("O", "H", "L", "C", "Vo", "Va", "AdjFactor", "UL", "LL"):
        absent = 1.0 if name == "AdjFactor" else np.nan
        if name not in wanted:
            arrays[name] = np.broadcast_to(absent, shape)  # one number in memory, not one per cell
            continue
        array = np.full(shape, absent)
        array[position] = rows[name].to_numpy()
        if name in ("O", "H", "L", "C", "AdjFactor"):
            array[~(array > 0)] = absent
        arrays[name] = array
    return Prices(
        open=arrays["O"],
        high=arrays["H"],
        low=arrays["L"],
        close=arrays["C"],
        volume=arrays["Vo"],
        value=arrays["Va"],
        factor=arrays["AdjFactor"],
        limit_up=arrays["UL"],
        limit_down=arrays["LL"],
    )


def positions(
    rows: pl.DataFrame, sessions: Sequence[date], codes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each (Date, Code) in the grid; twice the same is refused, as the later would win silently."""
    day = pl.DataFrame({"Date": list(sessions), "_t": range(len(sessions))}, schema={"Date": pl.Date, "_t": pl.Int64})
    code = pl.DataFrame({"Code": list(codes), "_c": range(len(codes))}, schema={"Code": pl.String, "_c": pl.Int64})
    found = (
        rows.select("Date", "Code")
        .join(day, on="Date", how="left", maintain_order="left")
        .join(code, on="Code", how="left", maintain_order="left")
    )
    t, c = found["_t"].to_numpy(), found["_c"].to_numpy()
    cell = t * max(len(codes), 1) + c
    if np.bincount(cell).max(initial=0) > 1:
        twice = rows.select("Date", "Code").filter(rows.select("Date", "Code").is_duplicated()).row(0)
        raise ContractError(
            f"(Date, Code) = ({twice[0]}, {twice[1]}) has more than one row; the limit is 1.",
            remedy="Keep the row that was fetched last.",
        )
    return t, c
