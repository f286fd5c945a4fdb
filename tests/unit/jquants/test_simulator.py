"""The simulated tape is one that an exchange could have printed, and the same each time."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from atft_pipeline.jquants.simulated_prices import limit_width, tick_size
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed

from .markets import DEMO, SMALL


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulated_market(DEMO)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    source = SimulatedSource(DEMO)
    rows = source.fetch("daily_bars", source.first_session(), source.last_session())
    return to_typed(rows, ENDPOINTS["daily_bars"]).frame


def test_same_seed_same_bytes_other_seed_others() -> None:
    one, same, other = (SimulatedMarket(SMALL.model_copy(update={"seed": seed})).tape for seed in (7, 7, 8))
    assert one.close.tobytes() == same.close.tobytes()
    assert one.value.tobytes() == same.value.tobytes()
    assert one.topix.tobytes() == same.topix.tobytes()
    assert one.topix.tobytes() != other.topix.tobytes()


def test_an_effect_changes_the_drift_and_nothing_else() -> None:
    with_peers, without = (SimulatedMarket(SMALL.model_copy(update={"peer_effect": e})) for e in (1.0, 0.0))
    np.testing.assert_array_equal(with_peers.latent.own, without.latent.own)
    np.testing.assert_array_equal(with_peers.latent.log_value, without.latent.log_value)
    changed = (with_peers.latent.drift != without.latent.drift).any(axis=0)
    np.testing.assert_array_equal(changed, with_peers.names.follows)


def test_the_sessions_are_those_that_were_asked_for(bars: pl.DataFrame) -> None:
    source = SimulatedSource(DEMO)
    days = bars["Date"].unique().sort().to_list()
    assert len(days) == DEMO.n_sessions
    assert (days[0], days[-1]) == (source.first_session(), source.last_session())
    assert source.last_session() == DEMO.last_session
    calendar = source.calendar().filter(pl.col("HolDiv") == "1")["Date"]
    assert calendar.filter(calendar.is_between(days[0], days[-1])).to_list() == days


def test_prices_are_consistent_and_on_ticks(bars: pl.DataFrame) -> None:
    traded = bars.drop_nulls("C")
    o, h, low, c = (traded[column].to_numpy() for column in "OHLC")
    assert (low <= np.minimum(o, c)).all()
    assert (h >= np.maximum(o, c)).all()
    assert (low > 0).all()
    for price in (o, h, low, c):
        assert (np.mod(price, tick_size(price)) == 0).all()
    average = (traded["Va"] / traded["Vo"]).to_numpy()
    assert ((average >= low - 0.01) & (average <= h + 0.01)).all()
    assert (np.mod(traded["Vo"].to_numpy(), 100) == 0).all()


def test_a_day_without_trade_is_a_row_of_nulls(bars: pl.DataFrame) -> None:
    nulls = bars.select(pl.sum_horizontal(pl.col("O", "H", "L", "C", "Vo", "Va").is_null()).alias("nulls"))["nulls"]
    assert set(nulls) == {0, 6}
    assert bars["AdjFactor"].null_count() == 0
    assert set(bars["UL"]) == {"0", "1"} == set(bars["LL"])


def test_there_are_halts_and_single_missing_days(bars: pl.DataFrame) -> None:
    runs = (
        bars.sort("Code", "Date")
        .with_columns(pl.col("C").is_null().alias("halted"))
        .with_columns(pl.col("halted").rle_id().over("Code").alias("run"))
        .filter("halted")
        .group_by("Code", "run")
        .len()["len"]
    )
    assert (runs == 1).sum() >= 20
    assert (runs >= 3).sum() >= 3


def test_leaders_always_trade(market: SimulatedMarket) -> None:
    assert not np.isnan(market.tape.close[:, market.names.is_leader]).any()


def test_splits_keep_the_adjusted_return_small(market: SimulatedMarket) -> None:
    tape, names = market.tape, market.names
    days, stocks = np.nonzero(tape.factor != 1.0)
    factors = tape.factor[days, stocks]
    assert (factors < 1).sum() >= 10
    assert (factors > 1).sum() >= 2
    base = tape.close[days - 1, stocks] * factors
    returns = tape.close[days, stocks] / base - 1.0
    # A tick may be a per cent of a price that was split by ten; the raw move would be -50% at the least.
    assert (np.abs(returns) <= limit_width(base) / base + tick_size(base) / base).all()
    assert np.std(returns) < 3.0 * names.volatility[stocks].mean()
    shares_traded = np.array(
        [
            np.nanmedian(tape.volume[d : d + 20, i]) / np.nanmedian(tape.volume[d - 20 : d, i])
            for d, i in zip(days, stocks, strict=True)
            if 20 <= d < len(tape.volume) - 20
        ]
    )
    inside = (days >= 20) & (days < len(tape.volume) - 20)
    assert np.abs(np.log(shares_traded * factors[inside])).mean() < 0.6  # more shares after a split, in proportion


def test_prices_stay_within_the_days_limits(market: SimulatedMarket) -> None:
    tape = market.tape
    base = tape.close[:-1] * tape.factor[1:]
    move = np.nanmax(np.stack([tape.high[1:] - base, base - tape.low[1:]]), axis=0, initial=0.0)
    known = ~np.isnan(base) & ~np.isnan(tape.close[1:])
    assert (move[known] <= limit_width(base[known])).all()
    assert tape.at_upper.sum() >= 5
    assert tape.at_lower.sum() >= 5
    np.testing.assert_array_equal(tape.at_upper & np.isnan(tape.close), np.zeros_like(tape.at_upper))


def test_listings_and_delistings(market: SimulatedMarket, bars: pl.DataFrame) -> None:
    ages = bars.group_by("Code").agg(first=pl.col("Date").min(), last=pl.col("Date").max())
    listed = ages.filter(pl.col("first") > market.sessions[0])
    assert len(listed) >= 10
    assert len(ages.filter(pl.col("last") < market.sessions[-1])) >= 5
    with_letters = listed.filter(pl.col("Code").str.contains("[A-Z]"))
    assert len(with_letters) >= 2
    assert with_letters["first"].min() == listed.filter(pl.col("first") >= date(2024, 1, 1))["first"].min()
    assert bars["Code"].str.contains("^[0-9][0-9A-Z][0-9][0-9A-Z]0$").all()


def test_the_master_has_the_codes_of_the_bars(bars: pl.DataFrame) -> None:
    source = SimulatedSource(DEMO)
    rows = source.fetch("equities_master", source.first_session(), source.last_session())
    master = to_typed(rows, ENDPOINTS["equities_master"]).frame
    assert_frame_equal(master.select("Date", "Code"), bars.select("Date", "Code"))
    stocks = master.filter(pl.col("ProdCat") == "011")
    assert stocks["Code"].n_unique() == DEMO.n_codes
    assert set(master["ProdCat"]) == {"011", "013", "014"}
    before = stocks.filter(pl.col("Date") < date(2022, 4, 4))
    assert set(before["Mkt"]) == {"0101", "0102", "0104"}
    assert set(stocks.filter(pl.col("Date") >= date(2022, 4, 4))["Mkt"]) == {"0111", "0112", "0113"}
    assert set(master.filter(pl.col("ProdCat") != "011")["Mkt"]) == {"0109"}
    assert stocks["S33"].n_unique() == 33
    assert stocks["S17"].n_unique() == 17


def test_larger_moves_and_larger_names_trade_more(market: SimulatedMarket) -> None:
    tape, names = market.tape, market.names
    moves = np.abs(np.diff(np.log(tape.close), axis=0))
    traded = ~np.isnan(moves) & ~np.isnan(tape.value[1:]) & (tape.factor[1:] == 1.0)
    activity = np.log(tape.value[1:]) - names.log_value
    assert np.corrcoef(moves[traded], activity[traded])[0, 1] > 0.1
    assert np.corrcoef(np.nanmean(np.log(tape.value), axis=0), names.log_value)[0, 1] > 0.9


def test_months_are_slices_of_the_whole() -> None:
    source = SimulatedSource(SMALL)
    for name, endpoint in ENDPOINTS.items():
        whole = source.fetch(name, date(2000, 1, 1), date(2050, 1, 1))
        months = [(date(2021, 1, 1), date(2022, 2, 28)), (date(2022, 3, 1), date(2022, 3, 31))]
        parts = [source.fetch(name, *month) for month in (*months, (date(2022, 4, 1), date(2050, 1, 1)))]
        recent = whole.filter(pl.col(endpoint.date_column) >= "2021-01-01")
        assert_frame_equal(pl.concat(parts), recent)


def test_the_fingerprint_follows_what_decides_the_rows() -> None:
    source, month = SimulatedSource(SMALL), (date(2022, 3, 1), date(2022, 3, 31))
    mine = source.fingerprint("daily_bars", *month)
    assert mine == SimulatedSource(SMALL).fingerprint("daily_bars", *month)
    others = {
        source.fingerprint("topix", *month),
        source.fingerprint("daily_bars", month[0], date(2022, 3, 30)),
        SimulatedSource(SMALL.model_copy(update={"peer_effect": 0.5})).fingerprint("daily_bars", *month),
    }
    assert len(others | {mine}) == 4
