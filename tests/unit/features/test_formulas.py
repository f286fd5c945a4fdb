"""Every family's formulas on series that are computed by hand, or by a plain second definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features.compute import compute_features
from tests.market import PRICES, TinyMarket, tiny_market


@pytest.fixture(scope="module")
def market() -> TinyMarket:
    """A market without halts, so that plain definitions hold."""
    return tiny_market(n_codes=12, halt_share=0.0)


@pytest.fixture(scope="module")
def features(market: TinyMarket) -> pl.DataFrame:
    """All columns of the last session."""
    day = market.sessions[-1]
    return compute_features(market.tables(), market.universe.lazy(), PRICES.families, day, day).collect()


def series(market: TinyMarket, code: str) -> dict[str, np.ndarray]:
    """Prices of a stock without split, oldest first."""
    rows = market.bars.filter(pl.col("Code") == code).sort("Date")
    assert (rows["AdjFactor"] == 1).all()
    return {name: rows[name].to_numpy() for name in ("O", "H", "L", "C", "Vo", "Va")}


def value(features: pl.DataFrame, code: str, name: str) -> float:
    """One cell."""
    return float(features.filter(pl.col("Code") == code)[name].item())


def one_stock(closes: Sequence[float], **columns: Sequence[float | None]) -> dict[str, float | None]:
    """All features of the last session of a single stock; O, H, L equal C unless given, the market stands still."""
    n = len(closes)
    days = [date(2021, 1, 4) + timedelta(days=i) for i in range(n)]
    bars = pl.DataFrame(
        {"Date": days, "Code": "13010", "C": [float(c) for c in closes], "Vo": 100.0, "Va": 1e6, "AdjFactor": 1.0}
    )
    bars = bars.with_columns(
        pl.Series(name, columns[name], dtype=pl.Float64) if name in columns else pl.col("C").alias(name)
        for name in ("O", "H", "L", *(name for name in ("Vo", "Va", "UL", "LL") if name in columns))
    )
    topix = pl.DataFrame({"Date": days, "O": 1.0, "H": 1.0, "L": 1.0, "C": 1.0})
    tables = {
        "daily_bars": bars.lazy(),
        "topix": topix.lazy(),
        "trading_calendar": pl.LazyFrame({"Date": days, "HolDiv": ["1"] * n}),
    }
    universe = pl.LazyFrame(
        {"Date": days[-1:], "Code": ["13010"], "in_universe": [True], "S33": ["3650"], "S17": ["9"], "Mkt": ["0111"]}
    )
    frame = compute_features(tables, universe, PRICES.families, days[-1], days[-1]).collect()
    return frame.row(0, named=True)


def ema(x: np.ndarray, span: int) -> np.ndarray:
    """Exponential mean by its recursion: with 5 spans it agrees with the finite one to 5e-5 of the level."""
    weights = (1 - 2 / (span + 1)) ** np.arange(5 * span)
    return np.array(
        [np.average(x[max(t - 5 * span + 1, 0) : t + 1][::-1], weights=weights[: t + 1]) for t in range(len(x))]
    )


def test_past_returns_and_the_day() -> None:
    """100, 110, 121: 10% and 21%; opened at 115.5 after 110: 5% overnight, then 4.76% within the day."""
    row = one_stock([100, 110, 121], O=[100, 110, 115.5], H=[100, 110, 121], L=[100, 110, 112.75])
    assert row["return_1"] == pytest.approx(0.1)
    assert row["overnight_return"] == pytest.approx(0.05)
    assert row["intraday_return"] == pytest.approx(121 / 115.5 - 1)
    assert row["gap_fill"] == pytest.approx(0.5)
    assert row["streak"] == 2
    assert row["return_5"] is None


def test_gap_down_and_no_gap() -> None:
    """Opened 10 below, traded 3 back up; and without a gap everything is filled."""
    assert one_stock([100, 92], O=[100, 90], H=[100, 93], L=[100, 89])["gap_fill"] == pytest.approx(0.3)
    assert one_stock([100, 92], O=[100, 100], H=[100, 100], L=[100, 89])["gap_fill"] == 1


@pytest.mark.parametrize(
    ("closes", "expected"), [([5, 4, 3, 4], 1), ([5, 4, 3, 2], -3), ([5, 6, 6], 0), ([*range(100, 140)], 20)]
)
def test_streak(closes: list[float], expected: int) -> None:
    """Runs end with a change of sign or an unchanged price, and stop counting at 20."""
    assert one_stock(closes)["streak"] == expected


def test_rsi_by_hand() -> None:
    """RSI 2 of +2 then -1: the newer loss weighs 1, the older gain 1/2: 1 / (1 + 1) = 0.5."""
    closes = [10.0] * 13 + [12.0, 11.0]
    assert one_stock(closes)["rsi_2"] == pytest.approx(0.5, abs=1e-6)


def test_technical_family_against_plain_definitions(market: TinyMarket, features: pl.DataFrame) -> None:
    """MACD, Bollinger, stochastic, ATR, ADX, trends of a stock without halts and splits."""
    code = market.codes[7]
    x = series(market, code)
    close, high, low = x["C"], x["H"], x["L"]
    line = ema(close, 12) - ema(close, 26)
    band = close[-20:]
    before = np.concatenate([[np.nan], close[:-1]])
    true_range = (np.maximum(high, before) - np.minimum(low, before))[1:]
    up, down = np.diff(high), -np.diff(low)
    plus = ema(np.where((up > down) & (up > 0), up, 0), 19)
    minus = ema(np.where((down > up) & (down > 0), down, 0), 19)
    expected = {
        "return_20": close[-1] / close[-21] - 1,
        "return_120": close[-1] / close[-121] - 1,
        "macd_line": line[-1] / close[-1],
        "macd_signal": ema(line, 9)[-1] / close[-1],
        "macd_histogram": (line - ema(line, 9))[-1] / close[-1],
        "bollinger_position": (close[-1] - band.mean()) / (2 * band.std(ddof=1)),
        "bollinger_width": 4 * band.std(ddof=1) / band.mean(),
        "stochastic_14": (close[-1] - low[-14:].min()) / (high[-14:].max() - low[-14:].min()),
        "stochastic_signal": np.mean(
            [
                (close[t] - low[t - 13 : t + 1].min()) / (high[t - 13 : t + 1].max() - low[t - 13 : t + 1].min())
                for t in range(len(close) - 3, len(close))
            ]
        ),
        "ema_distance_100": close[-1] / ema(close, 100)[-1] - 1,
        "atr_14": ema(true_range, 27)[-1] / close[-1],
        "adx_10": ema(np.abs(plus - minus) / (plus + minus), 19)[-1],
        "ema_slope_20": math.log(ema(close, 20)[-1] / ema(close, 20)[-6]),
        "ema_slope_50": math.log(ema(close, 50)[-1] / ema(close, 50)[-6]),
    }
    for name, number in expected.items():
        assert value(features, code, name) == pytest.approx(number, rel=1e-5, abs=1e-7), name


def test_volatility_family_against_plain_definitions(market: TinyMarket, features: pl.DataFrame) -> None:
    """Range estimators by their papers' formulas over the last 20 sessions."""
    code = market.codes[8]
    x = series(market, code)
    o, h, lo, c = (np.log(x[name]) for name in ("O", "H", "L", "C"))
    r = np.diff(c)
    satchell = ((h - c) * (h - o) + (lo - c) * (lo - o))[-20:].mean()
    overnight, day = (o[1:] - c[:-1])[-20:].var(ddof=1), (c - o)[-20:].var(ddof=1)
    k = 0.34 / (1.34 + 21 / 19)
    rolling = np.array([r[t - 20 : t].std(ddof=1) for t in range(len(r) - 59, len(r) + 1)])
    centred = r[-60:] - r[-60:].mean()
    expected = {
        "volatility_5": r[-5:].std(ddof=1),
        "volatility_60": r[-60:].std(ddof=1),
        "parkinson_20": math.sqrt(((h - lo)[-20:] ** 2).mean() / (4 * math.log(2))),
        "rogers_satchell_20": math.sqrt(satchell),
        "yang_zhang_20": math.sqrt(overnight + k * day + (1 - k) * satchell),
        "volatility_of_volatility_60": rolling.std(ddof=1) / rolling.mean(),
        "downside_volatility_20": math.sqrt((np.minimum(np.expm1(r[-20:]), 0) ** 2).mean()),
        "skew_60": (centred**3).mean() / (centred**2).mean() ** 1.5,
        "range_20": (x["H"][-20:].max() - x["L"][-20:].min()) / x["C"][-1],
    }
    for name, number in expected.items():
        assert value(features, code, name) == pytest.approx(number, rel=1e-5), name


def test_liquidity_family_against_plain_definitions(market: TinyMarket, features: pl.DataFrame) -> None:
    """Logs of means, and the quintile of the median value among the day's members."""
    code = market.codes[6]
    x = series(market, code)
    r = np.abs(x["C"][1:] / x["C"][:-1] - 1)
    expected = {
        "log_trading_value_20": math.log(x["Va"][-20:].mean()),
        "amihud_20": math.log((r[-20:] / (x["Va"][-20:] / 1e9)).mean()),
        "trading_value_ratio": math.log(x["Va"][-5:].mean() / x["Va"][-60:].mean()),
        "volume_surprise": math.log(x["Vo"][-1] / x["Vo"][-21:-1].mean()),
        "zero_trade_days_60": 0.0,
    }
    for name, number in expected.items():
        assert value(features, code, name) == pytest.approx(number, rel=1e-5), name
    recent = market.bars.filter(
        pl.col("Date").is_in(market.sessions[-60:]), pl.col("Code").is_in(features["Code"].to_list())
    )
    median = recent.group_by("Code").agg(pl.col("Va").median()).sort("Va")["Code"].to_list()
    assert value(features, median[0], "size_class") == 1
    assert value(features, median[-1], "size_class") == 5


def test_zero_trade_days_count_from_the_first_trade() -> None:
    """Listed 4 sessions ago, one of them without trade: a quarter."""
    holes = [None, None, 100.0, None, 100.0, 100.0]
    row = one_stock([1.0] * 6, O=holes, H=holes, L=holes)
    assert row["zero_trade_days_60"] == 0  # closes decide
    closes = [float("nan"), float("nan"), 100.0, float("nan"), 100.0, 100.0]
    assert one_stock(closes, O=holes, H=holes, L=holes)["zero_trade_days_60"] == pytest.approx(0.25)


def test_limit_hits_by_the_source_or_by_the_table() -> None:
    """At 950 yen the limit is 150: a high of 1,100 is a hit, 1,099 is none; the source's own flag goes first."""
    assert one_stock([950, 1099], H=[950, 1100])["limit_up_hit"] == 1
    assert one_stock([950, 1099], H=[950, 1099])["limit_up_hit"] == 0
    assert one_stock([950, 800], L=[950, 800])["limit_down_hit"] == 1
    assert one_stock([950, 1099], H=[950, 1100], UL=[0, 0], LL=[0, 1])["limit_up_hit"] == 0
    assert one_stock([950, 1099], H=[950, 1100], UL=[0, 0], LL=[0, 1])["limit_down_hit"] == 1


def test_market_family_against_plain_definitions(market: TinyMarket, features: pl.DataFrame) -> None:
    """TOPIX alone, the same for every stock."""
    x = {name: market.topix[name].to_numpy() for name in ("O", "H", "L", "C")}
    c, r = x["C"], np.diff(np.log(x["C"]))
    plain = np.diff(c) / c[:-1]
    expected = {
        "topix_return_5": c[-1] / c[-6] - 1,
        "topix_gap": x["O"][-1] / c[-2] - 1,
        "topix_ema_deviation_50": c[-1] / ema(c, 50)[-1] - 1,
        "topix_volatility_20": r[-20:].std(ddof=1),
        "topix_drawdown_252": c[-1] / c[-252:].max() - 1,
        "topix_return_z_252": (plain[-1] - plain[-252:].mean()) / plain[-252:].std(ddof=1),
        "topix_level_z_252": (c[-1] - c[-252:].mean()) / c[-252:].std(ddof=1),
        "topix_trend_up": float(ema(c, 20)[-1] > ema(c, 50)[-1]),
        "topix_volatility_high": float(r[-20:].std(ddof=1) > r[-252:].std(ddof=1)),
    }
    for name, number in expected.items():
        assert features[name].n_unique() == 1, name
        assert features[name][0] == pytest.approx(number, rel=1e-4, abs=1e-6), name


def test_cross_market_family_against_plain_definitions(market: TinyMarket, features: pl.DataFrame) -> None:
    """Betas by least squares."""
    code = market.codes[9]
    c, index = series(market, code)["C"], market.topix["C"].to_numpy()
    r, m = np.diff(c) / c[:-1], np.diff(index) / index[:-1]

    def slope(y: np.ndarray, x: np.ndarray) -> float:
        return float(np.polyfit(x, y, 1)[0])

    beta = slope(r[-60:], m[-60:])
    up, down = m[-60:] > 0, m[-60:] < 0
    left = r[-60:] - np.polyval(np.polyfit(m[-60:], r[-60:], 1), m[-60:])
    moving = [slope(r[t - 20 : t], m[t - 20 : t]) for t in range(len(r) - 59, len(r) + 1)]
    expected = {
        "beta_20": slope(r[-20:], m[-20:]),
        "beta_60": beta,
        "alpha_1": r[-1] - beta * m[-1],
        "alpha_5": c[-1] / c[-6] - 1 - beta * (index[-1] / index[-6] - 1),
        "idiosyncratic_volatility_60": math.sqrt((left**2).sum() / 58),
        "relative_strength_60": math.log(c[-1] / c[-61]) - math.log(index[-1] / index[-61]),
        "beta_stability_60": float(np.std(moving, ddof=1)),
        "up_beta_60": slope(r[-60:][up], m[-60:][up]),
        "down_beta_60": slope(r[-60:][down], m[-60:][down]),
    }
    for name, number in expected.items():
        assert value(features, code, name) == pytest.approx(number, rel=1e-5), name


def test_sector_family_leaves_the_stock_out(market: TinyMarket, features: pl.DataFrame) -> None:
    """Peers are the other members of the industry; sums over one's own return would predict it."""
    code = market.codes[6]
    sector = market.universe.filter(pl.col("Code") == code)["S33"][0]
    codes = set(market.universe.filter(pl.col("S33") == sector)["Code"].to_list())
    own = features.filter(pl.col("Code") == code).row(0, named=True)
    peers = features.filter(pl.col("Code").is_in(list(codes - {code})))
    month = peers["return_20"].to_numpy()
    assert own["s33_return_1"] == pytest.approx(peers["return_1"].mean(), rel=1e-5)
    assert own["s33_momentum_60"] == pytest.approx(peers["return_60"].mean(), rel=1e-5)
    assert own["s33_volatility_20"] == pytest.approx(peers["volatility_20"].mean(), rel=1e-5)
    assert own["s33_breadth_20"] == pytest.approx((month > 0).mean())
    assert own["s33_size"] == pytest.approx(math.log(peers.height + 1))
    assert own["s33_relative_20"] == pytest.approx(own["return_20"] - month.mean(), rel=1e-4)
    assert own["s33_rank_20"] == pytest.approx((month < own["return_20"]).mean())
    if len(month) >= 3:
        assert own["s33_z_20"] == pytest.approx((own["return_20"] - month.mean()) / month.std(ddof=1), rel=1e-4)


def test_a_single_stock_has_no_peers() -> None:
    """Alone in its industry: size ln 1, everything else unknown."""
    row = one_stock([100.0 + i % 7 for i in range(90)])
    assert row["s33_size"] == 0
    unknown = [c.name for c in PRICES.columns if c.family == "sector" and not c.name.endswith("size")]
    assert [name for name in unknown if row[name] is not None] == []


def test_adx_takes_equal_moves_for_equal_whatever_was_split_before() -> None:
    """Each day reaches a tenth of a yen farther both up and down: neither side moves, also over a split by three."""
    n = 60
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(n)]
    steps = np.arange(n) / 10
    shares = np.where(np.arange(n) < 5, 3.0, 1.0)
    bars = pl.DataFrame({"Date": days, "Code": ["13010"] * n}).with_columns(
        O=pl.Series(1000.0 * shares),
        H=pl.Series((1000.1 + steps) * shares),
        L=pl.Series((999.9 - steps) * shares),
        C=pl.Series(1000.0 * shares),
        Vo=pl.lit(100.0),
        Va=pl.lit(1e5),
        AdjFactor=pl.Series(np.where(np.arange(n) == 5, 1 / 3, 1.0)),
    )
    universe = bars.select("Date", "Code", in_universe=True, S33=pl.lit("1"), S17=pl.lit("1"), Mkt=pl.lit("0111"))
    tables = {
        "daily_bars": bars.lazy(),
        "topix": bars.select("Date", "O", "H", "L", "C").lazy(),
        "trading_calendar": pl.DataFrame({"Date": days, "HolDiv": ["1"] * n}).lazy(),
    }
    frame = compute_features(tables, universe.lazy(), ["technical"], days[-1], days[-1]).collect()
    assert frame["adx_10"].to_list() == [None]
