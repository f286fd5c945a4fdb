"""Alpha158: by hand on tiny series, and equal to a plain oracle on stocks with every kind of trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.families import alpha158 as family
from atft_pipeline.features.families import alpha158_kernel as kernel
from tests.unit.features.alpha158_oracle import Series, Stock, alpha158

NAMES = tuple(feature.column.name for feature in family.FEATURES)


def computed(*stocks: Stock, first: int = 0) -> pl.DataFrame:
    """The family for sessions `first` on, one code per stock, as the pipeline computes it."""
    n = len(stocks[0].close)
    days = [date(2021, 1, 4) + timedelta(days=i) for i in range(n)]
    bars = pl.concat(
        pl.DataFrame(
            {
                "Date": days,
                "Code": f"{1301 + i}0",
                **{
                    name: pl.Series(values, dtype=pl.Float64)
                    for name, values in (
                        ("O", stock.open),
                        ("H", stock.high),
                        ("L", stock.low),
                        ("C", stock.close),
                        ("Vo", stock.volume),
                        ("Va", stock.value),
                        ("AdjFactor", stock.factor),
                    )
                },
            }
        )
        for i, stock in enumerate(stocks)
    )
    members = bars.select("Date", "Code", in_universe=True, S33=pl.lit("50"), S17=pl.lit("1"), Mkt=pl.lit("0111"))
    calendar = pl.DataFrame({"Date": days, "HolDiv": "1"})
    tables = {"daily_bars": bars.lazy(), "trading_calendar": calendar.lazy()}
    return compute_features(tables, members.lazy(), ["alpha158"], days[first], days[-1]).collect()


def plain(closes: Sequence[float | None], **other: Series) -> Stock:
    """Open, high and low equal the close, 100 shares a session, unless given."""
    c = list(closes)
    volume: Series = [None if x is None else 100.0 for x in c]
    value: Series = [None if x is None else 100.0 * x for x in c]
    fields = {"open": c, "high": c, "low": c, "close": c, "volume": volume, "value": value} | other
    return Stock(**fields, factor=[1.0] * len(c))


def last(stock: Stock) -> dict[str, float | None]:
    """The columns of the last session."""
    return computed(stock, first=len(stock.close) - 1).row(0, named=True)


def stock(seed: int, gaps: float, silent: float, tick: float, constant: bool, split: bool, n: int = 150) -> Stock:
    """A random walk with gaps, sessions without volume, ties, a stretch without a move, and splits."""
    rng = np.random.default_rng(seed)
    close = np.exp(np.cumsum(rng.normal(0, 0.02, n))) * 1000
    if constant:
        close[n // 3 : n // 3 + 40] = 1234.1
    fields = [close * np.exp(rng.normal(0, 0.01, n)) if not constant else close.copy(), close]
    o, c = (np.maximum(np.round(x / tick), 1) * tick for x in fields)
    high, low = np.maximum(o, c) + tick * rng.integers(0, 3, n), np.minimum(o, c) - 0.4 * tick * rng.integers(0, 2, n)
    volume = np.round(np.exp(rng.normal(8, 1, n))) * (rng.random(n) >= silent)
    factor = np.ones(n)
    if split:
        factor[rng.integers(1, n, 2)] = rng.choice([0.5, 0.333333, 0.1, 5.0], 2)
    basis = np.cumprod(factor)
    missing = rng.random(n) < gaps

    def listed(x: np.ndarray) -> Series:
        return [None if hole else float(value) for value, hole in zip(x, missing, strict=True)]

    return Stock(
        open=listed(o * basis),
        high=listed(high * basis),
        low=listed(low * basis),
        close=listed(c * basis),
        volume=listed(volume / basis),
        value=listed(volume * (high + low) / 2),
        factor=factor.tolist(),
    )


TROUBLE = st.builds(
    stock,
    seed=st.integers(0, 2**32 - 1),
    gaps=st.sampled_from([0.0, 0.05, 0.5]),
    silent=st.sampled_from([0.0, 0.1]),
    tick=st.sampled_from([0.1, 10.0, 50.0]),
    constant=st.booleans(),
    split=st.booleans(),
)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(TROUBLE)
def test_every_value_and_gap_equals_the_oracle(subject: Stock) -> None:
    """158 columns x 150 sessions, nulls at the same places, to the precision of Float32."""
    frame = computed(subject)
    expected = pl.DataFrame(alpha158(subject), schema=dict.fromkeys(NAMES, pl.Float64))
    for name in NAMES:
        found, true = frame[name].to_numpy(), expected[name].to_numpy()
        np.testing.assert_allclose(found, true, rtol=2e-6, atol=2e-6, err_msg=name)
        assert frame[name].null_count() == expected[name].null_count()


def test_the_oracle_test_covers_gaps_splits_and_ties() -> None:
    """What the examples above are made of is there: else they would prove less than they say."""
    subject = stock(1, 0.05, 0.1, 50.0, constant=True, split=True)
    closes = [x for x in subject.close if x is not None]
    assert len(closes) < len(subject.close)
    assert 0.0 in subject.volume
    assert min(subject.factor) < 1 or max(subject.factor) > 1
    assert len(set(closes)) < len(closes)


def test_names_are_qlibs() -> None:
    """13 of the day, then 29 operators x 5 windows, in Qlib's order."""
    operators = (
        "roc ma std beta rsqr resi max min qtlu qtld rank rsv imax imin imxd corr cord cntp cntn cntd sump sumn sumd"
        " vma vstd wvma vsump vsumn vsumd"
    )
    day = "kmid klen kmid2 kup kup2 klow klow2 ksft ksft2 open0 high0 low0 vwap0"
    assert (*day.split(), *(f"{name}{d}" for name in operators.split() for d in (5, 10, 20, 30, 60))) == NAMES
    assert len(NAMES) == kernel.COLUMNS == 158


def test_the_kernel_and_the_table_agree_on_every_place() -> None:
    """The kernel writes by number, the table names the numbers."""
    assert kernel.WINDOWS == family.WINDOWS
    assert len(family.OF_THE_DAY) == kernel.BARS
    assert kernel.LOOK_BACK == family.FIRST_TRADE
    for number, operator in enumerate(family.OF_WINDOWS):
        assert getattr(kernel, operator.name.upper()) == number


def test_a_candle_by_hand() -> None:
    """O 100, H 110, L 95, C 105; 50 shares for 5,150 yen: 103 a share."""
    row = last(plain([105.0], open=[100.0], high=[110.0], low=[95.0], volume=[50.0], value=[5150.0]))
    expected = {
        "kmid": 0.05,
        "klen": 0.15,
        "kmid2": 1 / 3,
        "kup": 0.05,
        "kup2": 1 / 3,
        "klow": 0.05,
        "klow2": 1 / 3,
        "ksft": 0.05,
        "ksft2": 1 / 3,
        "open0": 100 / 105,
        "high0": 110 / 105,
        "low0": 95 / 105,
        "vwap0": 103 / 105,
    }
    for name, number in expected.items():
        assert row[name] == pytest.approx(number, rel=1e-6), name
    assert (row["ma5"], row["rank5"], row["cntp5"], row["imax5"]) == pytest.approx((1, 1, 0, 0.2))
    assert [name for name in ("std5", "beta5", "corr5", "roc5", "sump5") if row[name] is not None] == []


def test_windows_by_hand() -> None:
    """Closes 1, 2, 3, 4, 10: mean 4, deviation sqrt(12.5), slope 2, fit at the end 8, quantiles 5.2 and 1.8."""
    row = last(plain([7.0, 1.0, 2.0, 3.0, 4.0, 10.0]))
    expected = {
        "roc5": 0.7,
        "ma5": 0.4,
        "std5": 12.5**0.5 / 10,
        "beta5": 0.2,
        "rsqr5": 400 / (10 * 50) / 1.0,
        "resi5": 0.2,
        "max5": 1.0,
        "min5": 0.1,
        "qtlu5": 0.52,
        "qtld5": 0.18,
        "rank5": 1.0,
        "rsv5": 1.0,
        "imax5": 1.0,
        "imin5": 0.2,
        "imxd5": 0.8,
        "cntp5": 0.8,
        "cntn5": 0.2,
        "cntd5": 0.6,
        "sump5": 9 / 15,
        "sumn5": 6 / 15,
        "sumd5": 3 / 15,
        "vma5": 1.0,
        "vstd5": 0.0,
    }
    for name, number in expected.items():
        assert row[name] == pytest.approx(number, rel=1e-6), name
    assert row["corr5"] is None  # the volume never moved
    assert row["vsump5"] == 0.0


def test_a_gap_is_a_row() -> None:
    """3, -, 2, 4: the place of the highest high is the gap's; no move into or out of it; four rows to count over."""
    row = last(plain([3.0, None, 2.0, 4.0]))
    assert row["imax5"] == row["imin5"] == pytest.approx(2 / 5)
    assert row["cntp5"] == pytest.approx(1 / 4)
    assert row["cntn5"] == 0.0
    assert row["ma5"] == pytest.approx(3 / 4)
    assert row["sump5"] == 1.0
    assert row["beta5"] == pytest.approx(3 / 14 / 4)  # places 0, 2, 3: the gap keeps its own


def test_on_a_session_without_trade() -> None:
    """What needs the day's price is null; what the window alone decides is there."""
    row = last(plain([3.0, 2.0, 4.0, None]))
    there = {name.rstrip("0123456789") for name, value in row.items() if name in NAMES and value is not None}
    assert " ".join(sorted(there)) == "cntd cntn cntp imax imin imxd rsqr sumd sumn sump vsumd vsumn vsump wvma"


def test_ties_share_their_rank_and_the_first_extreme_counts() -> None:
    """2, 5, 5, 1, 5: three fives hold ranks 3 to 5."""
    row = last(plain([2.0, 5.0, 5.0, 1.0, 5.0]))
    assert row["rank5"] == pytest.approx(4 / 5)
    assert row["imax5"] == pytest.approx(2 / 5)


def test_a_price_that_never_moves() -> None:
    """Deviation exactly 0, R squared and correlation unknown, rounding nowhere: 1234.1 has no exact form."""
    row = last(plain([1234.1] * 70, volume=[float(100 + i % 7) for i in range(70)]))
    for d in family.WINDOWS:
        assert row[f"std{d}"] == row[f"sump{d}"] == row[f"wvma{d}"] == row[f"rsv{d}"] == 0.0
        assert row[f"rsqr{d}"] is row[f"corr{d}"] is row[f"cord{d}"] is None
        assert row[f"ma{d}"] == row[f"qtlu{d}"] == 1.0


def test_a_split_leaves_ties_and_moves_as_they_were() -> None:
    """999 yen all along, three for one: 333 after. Nothing rose, nothing fell, everything ties; volumes tie as well."""
    n = 40
    flat = plain([999.0] * n)
    after: Series = [*[999.0] * 20, *[333.0] * 20]
    shares: Series = [*[100.0] * 20, *[300.0] * 20]
    split = replace(plain(after, volume=shares), factor=[1.0] * 20 + [1 / 3] + [1.0] * 19)
    true, other = last(flat), last(split)
    assert [name for name in NAMES if name != "vwap0" and true[name] != other[name]] == []


def test_any_start_gives_the_same_bits() -> None:
    """A month by itself, with the contract's warm-up, equals the same month of the whole history to the bit."""
    stocks = [stock(seed, 0.3, 0.1, 0.1, constant=False, split=True, n=300) for seed in range(20)]
    whole = computed(*stocks)
    for first in (130, 200, 299):
        keep = whole["Date"].unique().sort()[first]
        assert computed(*stocks, first=first).equals(whole.filter(pl.col("Date") >= keep), null_equal=True)


def test_a_stock_begins_anew_after_119_sessions_without_a_trade() -> None:
    """Then its rows are its own again: the first session counts as one, not as one of many gaps."""
    silence: list[float | None] = [None] * 119
    assert last(plain([5.0, *silence, 6.0]))["imax60"] == pytest.approx(1 / 60)
    assert last(plain([5.0, *silence[1:], 6.0]))["imax60"] == pytest.approx(1 / 60)
    assert last(plain([5.0, *silence, 6.0, 7.0]))["imax60"] == pytest.approx(2 / 60)
    assert last(plain([5.0, *silence[2:], 6.0, 7.0]))["imax60"] == pytest.approx(1 / 60)
