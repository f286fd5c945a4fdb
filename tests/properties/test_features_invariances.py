"""What must not change a feature: the future, the chunk, the order of rows, a split, and columns that are not used."""

from __future__ import annotations

import io
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import Column
from atft_pipeline.features.universe import build_universe
from atft_pipeline.sections import UniverseSettings
from tests.market import PRICES, TinyMarket, tiny_market

FEW = settings(max_examples=5, deadline=None, derandomize=True)


@lru_cache(maxsize=4)
def market(seed: int = 7) -> TinyMarket:
    """One market per seed, made once."""
    return tiny_market(n_sessions=580, seed=seed)


def features(
    of: TinyMarket, first: int, last: int, universe: pl.DataFrame | None = None, **tables: pl.DataFrame
) -> pl.DataFrame:
    """Features of the sessions first..last, by position."""
    members = of.universe if universe is None else universe
    days = of.sessions[first], of.sessions[last]
    return compute_features(of.tables(**tables), members.lazy(), PRICES.families, *days).collect()


def as_bytes(frame: pl.DataFrame) -> bytes:
    """The frame as an Arrow file."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def noise(frame: pl.DataFrame, after: date, rng: np.random.Generator) -> pl.DataFrame:
    """Other prices, volumes, factors, holes from the day after `after` on."""
    later = pl.col("Date") > after
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64 and name != "AdjFactor"]
    changed = frame.with_columns(
        pl.when(later).then(pl.Series(rng.lognormal(5, 2, frame.height))).otherwise(name).alias(name)
        for name in numbers
    )
    holes = pl.Series(rng.random(frame.height) < 0.1)
    changed = changed.with_columns(pl.when(later & holes).then(None).otherwise(name).alias(name) for name in numbers)
    if "AdjFactor" in frame.columns:
        factors = pl.Series(rng.choice([0.5, 1.0, 2.0], frame.height))
        changed = changed.with_columns(pl.when(later).then(factors).otherwise("AdjFactor").alias("AdjFactor"))
    return changed


def shuffle(frame: pl.DataFrame, after: date, rng: np.random.Generator) -> pl.DataFrame:
    """The rows of later days get each other's values."""
    past, later = frame.filter(pl.col("Date") <= after), frame.filter(pl.col("Date") > after)
    values = pl.exclude("Date", "Code").gather(rng.permutation(later.height))
    return pl.concat([past, later.with_columns(values)])


@FEW
@given(cut=st.integers(520, 575), seed=st.integers(0, 2**32 - 1))
def test_the_future_changes_no_bit_of_the_past(cut: int, seed: int) -> None:
    """Change, shuffle or delete everything after t: rows up to t stay the same to the bit, in every column."""
    m, rng = market(), np.random.default_rng(seed)
    day = m.sessions[cut]
    past = features(m, 512, 579).filter(pl.col("Date") <= day)
    assert past.height > 0
    for name, bars, topix in (
        ("changed", noise(m.bars, day, rng), noise(m.topix, day, rng)),
        ("shuffled", shuffle(m.bars, day, rng), shuffle(m.topix, day, rng)),
        ("deleted", m.bars.filter(pl.col("Date") <= day), m.topix.filter(pl.col("Date") <= day)),
    ):
        universe = m.universe.filter((pl.col("Date") <= day) | pl.Series(rng.random(m.universe.height) < 0.5))
        again = features(m, 512, 579, universe, daily_bars=bars, topix=topix)
        for column in past.columns:
            kept = again.filter(pl.col("Date") <= day)[column]
            assert kept.equals(past[column], null_equal=True), f"{column} sees the future when it is {name}"


def test_the_control_sees_the_future() -> None:
    """The same noise does change the rows after t: else the test above could not fail."""
    m = market()
    day = m.sessions[550]
    later = pl.col("Date") > day
    noisy = features(m, 512, 579, daily_bars=noise(m.bars, day, np.random.default_rng(0)))
    true = features(m, 512, 579)
    stock = [c.name for c in PRICES.columns if c.scope != "market" and not c.name.endswith("_size")]
    assert [name for name in stock if noisy.filter(later)[name].equals(true.filter(later)[name])] == []


def test_month_by_month_equals_the_whole_history() -> None:
    """Each chunk reads its own warm-up only: 1e-6 relative, nulls at the same places, whatever the chunk."""
    m = market()
    whole = features(m, 0, 579)
    for length in (1, 20, 33):
        starts = range(0, 580, length) if length > 1 else (0, 100, 350, 579)
        for first in starts:
            part = features(m, first, min(first + length, 580) - 1)
            same = whole.join(part.select("Date", "Code"), on=["Date", "Code"], how="semi")
            assert part.select("Date", "Code").equals(same.select("Date", "Code"))
            for column in PRICES.columns:
                np.testing.assert_allclose(
                    part[column.name].to_numpy(),
                    same[column.name].to_numpy(),
                    rtol=1e-6,
                    atol=1e-9,
                    err_msg=f"{column.name}, chunk of {length} from {first}",
                )


@pytest.mark.parametrize("column", PRICES.columns, ids=lambda column: column.name)
def test_each_column_keeps_its_own_warmup(column: Column) -> None:
    """A column's value needs `warmup` sessions before t: older bars and index values change nothing."""
    whole, cut = _cut_at(column.warmup)
    np.testing.assert_allclose(cut[column.name].to_numpy(), whole[column.name].to_numpy(), rtol=1e-6, atol=1e-9)


@lru_cache(maxsize=64)
def _cut_at(warmup: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    m = market()
    kept = pl.col("Date") >= m.sessions[578 - warmup]
    return features(m, 578, 578), features(m, 578, 578, daily_bars=m.bars.filter(kept), topix=m.topix.filter(kept))


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_changes_no_byte(seed: int) -> None:
    """Every table permuted: the same file."""
    m = market()
    mixed = {
        name: frame.sample(fraction=1.0, shuffle=True, seed=seed % 2**31)
        for name, frame in (("daily_bars", m.bars), ("topix", m.topix), ("trading_calendar", m.calendar))
    }
    universe = m.universe.sample(fraction=1.0, shuffle=True, seed=seed % 2**31)
    assert as_bytes(features(m, 550, 579, universe, **mixed)) == as_bytes(features(m, 550, 579))


@FEW
@given(day=st.integers(320, 579), factor=st.sampled_from([0.5, 0.2, 1 / 3, 10.0]))
def test_a_split_changes_nothing_beyond_rounding(day: int, factor: float) -> None:
    """Scale all earlier prices, put the factor on the ex-date: every column stays; limits come from the source."""
    m = market()
    ex_date = m.sessions[day]
    bars = m.bars.with_columns(UL=pl.lit("0"), LL=pl.lit("1"))
    earlier = pl.col("Date") < ex_date
    split = bars.with_columns(
        *(pl.when(earlier).then(pl.col(name) / factor).otherwise(name).alias(name) for name in ("O", "H", "L", "C")),
        pl.when(earlier).then(pl.col("Vo") * factor).otherwise("Vo").alias("Vo"),
        pl.when(pl.col("Date") == ex_date).then(pl.col("AdjFactor") * factor).otherwise("AdjFactor").alias("AdjFactor"),
    )
    true, other = features(m, 512, 579, daily_bars=bars), features(m, 512, 579, daily_bars=split)
    for column in PRICES.columns:
        np.testing.assert_allclose(
            other[column.name].to_numpy(), true[column.name].to_numpy(), rtol=1e-5, atol=1e-7, err_msg=column.name
        )


def test_noise_in_a_stretched_snapshot_changes_no_byte() -> None:
    """ScaleCat and Mkt of the last day predict the years before: neither the universe nor a feature may read them."""
    m = market()
    snapshot = (
        m.universe.unique("Code", keep="last")
        .sort("Code")
        .select(
            pl.lit(m.sessions[-1]).alias("Date"),
            "Code",
            "S33",
            "S17",
            ScaleCat=pl.lit("TOPIX Core30"),
            Mkt=pl.lit("0111"),
        )
        .with_columns(ProdCat=pl.lit("011"))
    )
    rng = np.random.default_rng(5)
    noisy = snapshot.with_columns(
        ScaleCat=pl.Series(rng.choice(["-", "TOPIX Small 2"], snapshot.height)),
        Mkt=pl.Series(rng.choice(["0109", "0113", "0105"], snapshot.height)),
    )
    answers = []
    for master in (snapshot, noisy):
        tables = m.tables(equities_master=master)
        thresholds = UniverseSettings(min_trading_value=0)
        universe = build_universe(tables, thresholds, m.sessions[550], m.sessions[-1], stretched_master=True)
        frame = compute_features(tables, universe.lazy(), PRICES.families, m.sessions[550], m.sessions[-1]).collect()
        answers.append((as_bytes(universe), as_bytes(frame), frame.height))
    assert answers[0] == answers[1]
    assert answers[0][2] > 300


def test_rows_are_the_members_and_columns_the_contract() -> None:
    """One sorted row per member; a stock that does not trade keeps its row; families select columns."""
    m = market()
    frame = features(m, 550, 552)
    assert frame.columns == ["Date", "Code", *PRICES.names]
    assert set(frame.dtypes[2:]) == {pl.Float32}
    members = m.universe.filter(pl.col("Date").is_in(m.sessions[550:553])).select("Date", "Code").sort("Date", "Code")
    assert frame.select("Date", "Code").equals(members)
    suspended = m.bars.filter(pl.col("Date").is_in(m.sessions[550:553]), pl.col("C").is_null())
    rows = frame.join(suspended.select("Date", "Code"), on=["Date", "Code"], how="semi")
    assert rows.height == suspended.height > 0
    assert rows["return_1"].null_count() == rows.height
    assert rows["volatility_60"].null_count() < rows.height
    some = compute_features(m.tables(), m.universe.lazy(), ["market"], m.sessions[550], m.sessions[552]).collect()
    assert some.columns == ["Date", "Code", *PRICES.select(["market"]).names]


def test_a_period_without_members_gives_an_empty_table() -> None:
    """A weekend, or a universe without stocks: the columns, no rows."""
    m = market()
    nobody = m.universe.with_columns(in_universe=pl.lit(value=False))
    frame = features(m, 550, 560, nobody)
    assert frame.height == 0
    assert frame.columns == ["Date", "Code", *PRICES.names]
    assert set(frame.dtypes[2:]) == {pl.Float32}
