"""Flows, short selling and events: blind to what is published later, and the same whatever the chunk and the order.

"Later" is by publication: what may not be seen on the evening of t are investor types with PubDate >= t, short-sale
reports with DiscDate >= t, sector sales with Date > t, notices of announcements with PubDate > t, and tomorrow's
master. The exchange's calendar is known in advance. No price and no per-share figure enters: splits cannot matter.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from atft_pipeline.features.as_of import usable_after, usable_on
from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import CONTRACT, Column
from atft_pipeline.features.schema import frame_problems
from tests.full_market import FullMarket, full_market

FAMILIES = CONTRACT.select(["flow", "short_selling", "events"])
CALENDAR_COLUMNS = ("month_end", "quarter_end")
FEW = settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])
N = 640
WARM = 300
"""A session by which every warm-up is over."""

HIDDEN: Mapping[str, Callable[[date], pl.Expr]] = {
    "investor_types": lambda t: pl.col("PubDate") >= t,
    "short_sale_report": lambda t: pl.col("DiscDate") >= t,
    "short_ratio": lambda t: pl.col("Date") > t,
    "earnings_dates": lambda t: pl.col("PubDate") > t,
    "daily_bars": lambda t: pl.col("Date") > t,
}
"""Rows of each table that may not be seen on the evening of t."""

KEYS = {
    "investor_types": ("PubDate", "Section", "StDate"),
    "short_sale_report": ("DiscDate", "CalcDate", "Code", "SSName", "DICName", "FundName"),
    "short_ratio": ("Date", "S33"),
    "earnings_dates": ("PubDate", "Code", "FQName", "FYE"),
    "daily_bars": ("Date", "Code"),
}


@lru_cache(maxsize=1)
def market() -> FullMarket:
    """The simulated market, and what it lacks: corrected weeks, several holders of a stock, holders gone silent."""
    m = full_market(40, N)
    weeks, reports = m.tables["investor_types"], m.tables["short_sale_report"]
    rng = np.random.default_rng(11)
    corrected = weeks.sample(fraction=0.2, seed=1).with_columns(
        pl.col("PubDate").dt.offset_by("6d"), FrgnBuy=pl.col("FrgnBuy") * 1.1, IndSell=pl.col("IndSell") * 0.8
    )
    second = reports.sample(fraction=0.6, seed=2)
    second = second.with_columns(
        SSName=pl.lit("Other Holder"), ShrtPosToSO=pl.Series(rng.uniform(0.003, 0.02, second.height))
    )
    once = (
        reports.sort("DiscDate", "Code").head(5).with_columns(SSName=pl.lit("Silent Holder"), ShrtPosToSO=pl.lit(0.01))
    )
    extended = {
        "investor_types": pl.concat([weeks, corrected]),
        "short_sale_report": pl.concat([reports, second, once]),
    }
    return FullMarket(m.calendar, m.sessions, {**m.tables, **extended}, m.universe)


def features(first: int, last: int, universe: pl.DataFrame | None = None, **tables: pl.DataFrame) -> pl.DataFrame:
    """The three families on the sessions first..last, by position."""
    m = market()
    members = m.universe if universe is None else universe
    days = m.sessions[first], m.sessions[last]
    return compute_features(m.lazy(**tables), members.lazy(), FAMILIES.families, *days).collect()


def as_bytes(frame: pl.DataFrame) -> bytes:
    """The frame as an Arrow file."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def changed(frame: pl.DataFrame, rng: np.random.Generator, publication: str) -> pl.DataFrame:
    """Other numbers, holes, and other days told of; the day of publication stays."""
    days = [name for name, dtype in frame.schema.items() if dtype == pl.Date and name != publication]
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    n = frame.height
    return frame.with_columns(
        *(
            pl.when(pl.Series(rng.random(n) < 0.1)).then(None).otherwise(pl.Series(rng.lognormal(-4, 2, n))).alias(name)
            for name in numbers
        ),
        *(
            (pl.col(name) + pl.Series([timedelta(days=int(d)) for d in rng.integers(-60, 60, n)], dtype=pl.Duration))
            .cast(pl.Date)
            .alias(name)
            for name in days
        ),
    )


def tampered(name: str, how: str, t: date, rng: np.random.Generator) -> pl.DataFrame:
    """A table with its hidden rows changed, deleted, shuffled among each other, or joined by more of their like."""
    frame = market().tables[name]
    hidden = HIDDEN[name](t)
    seen, later, publication = frame.filter(~hidden), frame.filter(hidden), KEYS[name][0]
    if how == "deleted":
        return seen
    if how == "shuffled":
        mixed = later.with_columns(pl.exclude(publication).gather(rng.permutation(later.height)))
        return pl.concat([seen, mixed.unique(KEYS[name], keep="first", maintain_order=True)])
    noisy = changed(later, rng, publication)
    if how == "changed":
        return pl.concat([seen, noisy.unique(KEYS[name], keep="first", maintain_order=True)])
    about_the_past = changed(seen.sample(min(seen.height, 200), seed=3), rng, publication).with_columns(
        pl.lit(market().calendar.shift(t, 1)).alias(publication)
    )
    return pl.concat([frame, about_the_past]).unique(KEYS[name], keep="first", maintain_order=True)


@lru_cache(maxsize=1)
def busy_days() -> list[date]:
    """Sessions on which every table publishes something: there a rule that is off by one day must show."""
    m = market()
    published = [set(m.tables[name][KEYS[name][0]].to_list()) for name in HIDDEN]
    return [day for day in m.sessions[WARM + 5 : N - 10] if all(day in days for days in published)]


@FEW
@given(which=st.integers(0, 2**16), seed=st.integers(0, 2**32 - 1))
def test_what_is_published_later_changes_no_bit(which: int, seed: int) -> None:
    """Change, delete, shuffle, add to everything that is hidden on t: rows up to t stay the same in every column."""
    m, rng, days = market(), np.random.default_rng(seed), busy_days()
    t = days[which % len(days)]
    past = features(WARM, N - 1).filter(pl.col("Date") <= t)
    assert past.height > 0
    for how in ("changed", "deleted", "shuffled", "added"):
        tables = {name: tampered(name, how, t, rng) for name in HIDDEN}
        universe = m.universe.filter((pl.col("Date") <= t) | pl.Series(rng.random(m.universe.height) < 0.5))
        again = features(WARM, N - 1, universe, **tables).filter(pl.col("Date") <= t)
        for column in past.columns:
            assert again[column].equals(past[column], null_equal=True), f"{column} sees what is {how} later"


@pytest.mark.parametrize("how", ["changed", "deleted", "added"])
def test_the_control_sees_it(how: str) -> None:
    """The same noise does change rows after t, in every column but those of the calendar."""
    t = market().sessions[500]
    tables = {name: tampered(name, how, t, np.random.default_rng(0)) for name in HIDDEN}
    later = pl.col("Date") > t
    noisy, true = features(WARM, N - 1, **tables).filter(later), features(WARM, N - 1).filter(later)
    same = {name for name in FAMILIES.names if noisy[name].equals(true[name])}
    # each sector has its row on each session already: nothing can be added
    full = {column.name for column in FAMILIES.columns if column.scope == "sector"} if how == "added" else set()
    assert same == {*CALENDAR_COLUMNS, *full}


def test_the_boundary_of_each_table_is_tight() -> None:
    """What is published one step earlier than hidden is seen on t: the rule hides no more than it must."""
    m = market()
    t = m.sessions[500]
    true = features(500, 500)
    moved = {
        "short_ratio": ("sector_short_share", pl.col("Date") == t),
        "earnings_dates": ("sessions_to_announcement", pl.col("PubDate") <= t),
        "short_sale_report": ("short_position", pl.col("DiscDate") < t),
        "investor_types": ("flow_foreign_net", pl.col("PubDate") < t),
    }
    for table, (column, seen) in moved.items():
        again = features(500, 500, **{table: m.tables[table].filter(~seen)})
        assert not again[column].equals(true[column]), column


def test_month_by_month_equals_the_whole_history() -> None:
    """Each chunk has its own panel and warm-up: 1e-6 relative, nulls at the same places, whatever the chunk."""
    whole = features(0, N - 1)
    for length in (20, 33, 1):
        starts = range(0, N, length) if length > 1 else (0, 100, 275, N - 1)
        for first in starts:
            part = features(first, min(first + length, N) - 1)
            same = whole.join(part.select("Date", "Code"), on=["Date", "Code"], how="semi")
            assert part.select("Date", "Code").equals(same.select("Date", "Code"))
            for column in FAMILIES.names:
                np.testing.assert_allclose(
                    part[column].to_numpy(),
                    same[column].to_numpy(),
                    rtol=1e-6,
                    atol=1e-9,
                    err_msg=f"{column}, chunk of {length} from {first}",
                )


@pytest.mark.parametrize("column", FAMILIES.columns, ids=lambda column: column.name)
def test_each_column_keeps_its_own_warmup(column: Column) -> None:
    """What could first be used more than `warmup` sessions before t changes nothing."""
    for at in (N - 1, N - 3, 420):
        whole, cut = _cut_at(at, column.warmup)
        np.testing.assert_allclose(cut[column.name].to_numpy(), whole[column.name].to_numpy(), rtol=1e-6, atol=1e-9)


@lru_cache(maxsize=64)
def _cut_at(at: int, warmup: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    m = market()
    first = m.sessions[at - warmup]
    rules = (
        ("investor_types", "PubDate", usable_after),
        ("short_sale_report", "DiscDate", usable_after),
        ("short_ratio", "Date", usable_on),
        ("earnings_dates", "PubDate", usable_on),
    )
    tables = {
        name: m.tables[name].filter(usable(m.tables[name][day], m.calendar) >= first) for name, day, usable in rules
    }
    return features(at, at), features(at, at, **tables)


@FEW
@given(seed=st.integers(0, 2**31 - 1))
def test_order_of_rows_changes_no_byte(seed: int) -> None:
    """Every table permuted, and the universe: the same file."""
    m = market()
    mixed = {
        name: m.tables[name].sample(fraction=1.0, shuffle=True, seed=seed) for name in (*HIDDEN, "trading_calendar")
    }
    universe = m.universe.sample(fraction=1.0, shuffle=True, seed=seed)
    assert as_bytes(features(600, N - 1, universe, **mixed)) == as_bytes(features(600, N - 1))


def test_other_stocks_change_nothing() -> None:
    """A stock's figures are the same in a universe of half of the stocks, whatever their places in the panel."""
    universe = market().universe
    kept = universe["Code"].unique().sort().gather_every(2).to_list()
    half = features(500, N - 1, universe.filter(pl.col("Code").is_in(kept)))
    whole = features(500, N - 1).filter(pl.col("Code").is_in(kept))
    assert half.equals(whole, null_equal=True)


def test_the_promises_hold() -> None:
    """After the warm-up: no column null throughout, nulls, ranges and spread over the day's stocks as promised."""
    frame = features(0, N - 1)
    assert frame_problems(frame.lazy(), FAMILIES, judge_from=market().sessions[FAMILIES.warmup]) == []


def test_sections_go_on_through_their_renaming() -> None:
    """2022-04-04, and the session without trade of 2020-10-01: flows are known on every day after the warm-up."""
    m = full_market(40, N, date(2023, 2, 28))
    assert m.sessions[0] < date(2020, 10, 1) < date(2022, 4, 4) < m.sessions[-1]
    days = m.sessions[280], m.sessions[-1]
    frame = compute_features(m.lazy(), m.universe.lazy(), FAMILIES.families, *days).collect()
    assert frame["Date"][0] < date(2022, 4, 4)
    flows = [column.name for column in FAMILIES.select(["flow"]).columns]
    assert sum(frame.select(flows).null_count().row(0)) == 0
    assert frame_problems(frame.lazy(), FAMILIES) == []
