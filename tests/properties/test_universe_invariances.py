"""What must not change a row of the universe: its own day and later ones, the chunk, the order of rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.features.universe import build_universe
from atft_pipeline.sections import UniverseSettings
from tests.market import TinyMarket, tiny_market

FEW = settings(max_examples=5, deadline=None, derandomize=True)
THRESHOLDS = UniverseSettings(n_largest=20, min_trading_value=0, min_listed_sessions=20)
OUTAGE = 200


@cache
def market() -> TinyMarket:
    """The tiny market, named for once."""
    return tiny_market(n_sessions=300)


@cache
def troubled() -> pl.DataFrame:
    """Its bars with an outage, and a tenth of the sessions at one price that the source calls a limit."""
    m, rng = market(), np.random.default_rng(3)
    locked = pl.Series(rng.random(m.bars.height) < 0.1)
    kept = m.bars.with_columns(
        *(pl.when(locked).then("C").otherwise(name).alias(name) for name in ("O", "H", "L")),
        UL=pl.when(locked).then(pl.lit("1")),
        LL=pl.lit(None, pl.String),
    )
    return kept.filter(pl.col("Date") != m.sessions[OUTAGE])


def universe(bars: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Universe of the sessions first..last, by position."""
    m = market()
    master = m.universe.select("Date", "Code", "S33", "S17", "Mkt", ProdCat=pl.lit("011"))
    days = m.sessions[first], m.sessions[last]
    return build_universe(m.tables(daily_bars=bars, equities_master=master), THRESHOLDS, *days, stretched_master=False)


@FEW
@given(cut=st.integers(190, 290), seed=st.integers(0, 2**32 - 1))
def test_the_day_and_the_future_change_no_row(cut: int, seed: int) -> None:
    """Change or delete the bars at and after t: the rows up to t stay the same, flags and all."""
    rng, day = np.random.default_rng(seed), market().sessions[cut]
    bars = troubled()
    later = pl.col("Date") >= day
    wild = bars.with_columns(
        *(
            pl.when(later).then(pl.Series(rng.lognormal(5, 2, bars.height))).otherwise(name).alias(name)
            for name in ("O", "H", "L", "C", "Vo", "Va")
        ),
        pl.when(later).then(pl.Series(rng.choice(["0", "1"], bars.height))).otherwise("UL").alias("UL"),
        pl.when(later)
        .then(pl.Series(rng.choice([0.5, 1.0, 2.0], bars.height)))
        .otherwise("AdjFactor")
        .alias("AdjFactor"),
    )
    true = universe(bars, 180, cut)
    assert universe(wild, 180, cut).equals(true)
    assert universe(bars.filter(~later), 180, cut).equals(true)


def test_the_control_sees_the_flags_move() -> None:
    """Both flags stand in the market above, not everywhere, and a bar of t changes the row of t + 1."""
    flags = universe(troubled(), 180, 290)
    for name in ("suspended", "limit_locked"):
        assert 0 < flags[name].sum() < flags.height / 4, name
    before = market().sessions[250]
    flat = troubled().with_columns(pl.when(pl.col("Date") != before).then("UL").alias("UL"))
    silent = troubled().filter((pl.col("Date") != before) | (pl.col("Code") == market().codes[0]))
    assert not universe(flat, 251, 251)["limit_locked"].equals(universe(troubled(), 251, 251)["limit_locked"])
    assert universe(silent, 251, 251)["suspended"].sum() > 15


def test_chunks_and_order_change_nothing() -> None:
    """Ten sessions at a time, the outage at an edge, rows shuffled: the rows of the whole."""
    mixed = troubled().sample(fraction=1.0, shuffle=True, seed=5)
    parts = [universe(mixed, first, first + 9) for first in range(181, 281, 10)]
    assert pl.concat(parts).equals(universe(troubled(), 181, 280))
