"""Rows expected against rows got: which sessions, weeks or months of an endpoint have none, and which have too few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from atft_pipeline.calendar import SESSIONS_WITHOUT_TRADE
from atft_pipeline.jquants.endpoints import Endpoint, Regularity

MIN_SESSIONS = {"session": 1, "week": 3, "month": 15, "year": 200}
"""Sessions from which on a period counts: margin balances skip weeks of two, and an outer month may be cut."""

MAX_MISSING_SHARE = 0.02
"""Listed codes that may have no bar on a session."""

SHOWN = 5
"""Periods that a message names."""

_PERIOD = {"session": "%Y-%m-%d", "week": "%G week %V", "month": "%Y-%m", "year": "%Y"}


@dataclass(frozen=True)
class Completeness:
    """What an endpoint's rows lack.

    Attributes:
        expected: sessions, weeks or months that should have rows; of bars, rows: listed codes over all sessions.
        got: how many of them there are.
        holes: those without rows, or with too few, that are history by now: something was lost.
        late: those that may still come.
        before_the_first: those before the endpoint's first row: its history may begin later than the period.
    """

    expected: int
    got: int
    holes: tuple[str, ...]
    late: tuple[str, ...]
    before_the_first: tuple[str, ...]

    def __str__(self) -> str:
        """Such as `lost: 2 (2024-05-07, 2024-05-08); late: 1 (2024-12-30)`; empty when nothing lacks."""
        kinds = {"lost": self.holes, "late": self.late, "before the first row": self.before_the_first}
        said = (f"{kind}: {len(names)} ({', '.join(names[:SHOWN])})" for kind, names in kinds.items() if names)
        return "; ".join(said)


def completeness(rows: pl.LazyFrame, endpoint: Endpoint, sessions: Sequence[date], lookback_days: int) -> Completeness:
    """Compare an endpoint's rows with the sessions of the period.

    A period without rows is history when it ended more than `lookback_days` before the last session. The session
    without a trade (2020-10-01) is not expected to have rows.

    Args:
        rows: the endpoint's typed rows.
        endpoint: its `regularity` says what always has rows.
        sessions: of the period, ascending.
        lookback_days: for how long rows may come late.
    """
    days = rows.select(pl.col(endpoint.date_column).unique()).collect().to_series().drop_nulls()
    present = {_period(day, endpoint.regularity) for day in days}
    ends = {_period(day, endpoint.regularity): day for day in _judged(sessions, endpoint.regularity)}
    lacking = {name: end for name, end in ends.items() if name not in present}
    # what is published session by session exists as long as the exchange does; other families began later
    first = min(present, default="") if endpoint.regularity != "session" else ""
    early = {name for name in lacking if name < first}
    return _completeness(len(ends), len(ends) - len(lacking), lacking, early, sessions, lookback_days)


def bars_of_listed(
    bars: pl.LazyFrame, listed: pl.LazyFrame, sessions: Sequence[date], lookback_days: int
) -> Completeness:
    """Compare bars with the codes that were listed: sessions on which more than 2% of them have none.

    A stock that did not trade has a row without prices, so that it counts as there.

    Args:
        bars: Date and Code of the bars.
        listed: Date and Code of what was listed.
        sessions: of the period, ascending.
        lookback_days: for how long rows may come late.
    """
    keys = ["Date", "Code"]
    wanted = listed.select(keys).filter(pl.col("Date").is_in(list(sessions))).unique()
    there = pl.col("there").count().alias("there")
    found = wanted.join(bars.select(*keys, there=pl.lit(value=True)), on=keys, how="left")
    counts = found.group_by("Date").agg(pl.len().alias("listed"), there).sort("Date").collect()
    thin = counts.filter(pl.col("there") < (1.0 - MAX_MISSING_SHARE) * pl.col("listed"))["Date"]
    lacking = {str(day): day for day in thin if day not in SESSIONS_WITHOUT_TRADE}
    return _completeness(int(counts["listed"].sum()), int(counts["there"].sum()), lacking, (), sessions, lookback_days)


def _completeness(
    expected: int,
    got: int,
    lacking: Mapping[str, date],
    early: Collection[str],
    sessions: Sequence[date],
    lookback_days: int,
) -> Completeness:
    """What lacks, sorted by whether it may still come."""
    history = sessions[-1] - timedelta(days=lookback_days) if sessions else date.min
    return Completeness(
        expected,
        got,
        holes=tuple(sorted(name for name, end in lacking.items() if end < history and name not in early)),
        late=tuple(sorted(name for name, end in lacking.items() if end >= history)),
        before_the_first=tuple(sorted(early)),
    )


def _judged(sessions: Sequence[date], regularity: Regularity) -> Iterable[date]:
    """Sessions of the periods that count."""
    traded = [day for day in sessions if day not in SESSIONS_WITHOUT_TRADE]
    size = Counter(_period(day, regularity) for day in traded)
    return [day for day in traded if size[_period(day, regularity)] >= MIN_SESSIONS[regularity]]


def _period(day: date, regularity: Regularity) -> str:
    return day.strftime(_PERIOD[regularity])
