"""Universe by hand: each reason, each threshold, and nothing from the day itself."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from atft_pipeline.errors import ContractError
from atft_pipeline.features.universe import build_universe, universe_warmup
from atft_pipeline.sections import UniverseSettings

N = 160
DAYS = [date(2021, 1, 1) + timedelta(days=i) for i in range(N)]
SETTINGS = UniverseSettings(min_price=50, min_trading_value=1000, min_listed_sessions=60)
MASTER = {"S33": "3650", "S17": "9", "ProdCat": "011", "Mkt": "0111"}


def bars(code: str, *, price: float = 100, value: float = 5000, first: int = 0, last: int = N) -> pl.DataFrame:
    """Flat rows of one code."""
    return pl.DataFrame(
        {"Date": DAYS[first:last], "Code": code, "C": float(price), "Va": float(value), "AdjFactor": 1.0}
    )


def master(codes: dict[str, dict[str, str | None]], days: list[date]) -> pl.DataFrame:
    """Snapshots with the same rows on each day."""
    rows = [{"Date": day, "Code": code, **MASTER, **changes} for day in days for code, changes in codes.items()]
    return pl.DataFrame(rows, schema=dict.fromkeys(("Date",), pl.Date) | dict.fromkeys(("Code", *MASTER), pl.String))


def rows(
    frames: list[pl.DataFrame],
    codes: dict[str, dict[str, str | None]],
    day: int = N - 1,
    settings: UniverseSettings = SETTINGS,
    *,
    stretched: bool = False,
) -> pl.DataFrame:
    """Universe of one day."""
    calendar = pl.LazyFrame({"Date": DAYS, "HolDiv": ["1"] * N})
    tables = {
        "daily_bars": pl.concat(frames).lazy(),
        "equities_master": master(codes, [DAYS[-1]] if stretched else DAYS).lazy(),
        "trading_calendar": calendar,
    }
    frame = build_universe(tables, settings, DAYS[day], DAYS[day], stretched)
    assert frame.columns == ["Date", "Code", "in_universe", "reason", "S33", "S17", "Mkt", "suspended", "limit_locked"]
    assert (frame["reason"].is_null() == frame["in_universe"]).all()
    return frame


def universe(
    frames: list[pl.DataFrame],
    codes: dict[str, dict[str, str | None]],
    day: int = N - 1,
    settings: UniverseSettings = SETTINGS,
    *,
    stretched: bool = False,
) -> dict[str, str | None]:
    """Reason by code on one day; None = in the universe."""
    return dict(rows(frames, codes, day, settings, stretched=stretched).select("Code", "reason").iter_rows())


def test_each_reason() -> None:
    """One stock for each reason to leave it out."""
    codes: dict[str, dict[str, str | None]] = {
        "10010": {},
        "10020": {"ProdCat": "012"},
        "10035": {},
        "10040": {"Mkt": "0109"},
        "10050": {},
        "10060": {},
        "10070": {},
        "10080": {},
    }
    frames = [bars(code) for code in ("10010", "10020", "10035", "10040")]
    frames += [bars("10050", first=N - 60), bars("10060", last=40), bars("10070", price=49.9), bars("10080", value=999)]
    assert universe(frames, codes) == {
        "10010": None,
        "10020": "not_common_stock",
        "10035": "not_common_stock",
        "10040": "market",
        "10050": "young_listing",
        "10060": "no_price",
        "10070": "low_price",
        "10080": "low_trading_value",
    }


def test_thresholds_are_inclusive_and_count_to_the_day_before() -> None:
    """60 sessions listed up to yesterday are enough, 59 are not; a price and a value at the limit are enough."""
    frames = [bars("10010", first=N - 61, price=50, value=1000), bars("10020", first=N - 60)]
    assert universe(frames, {"10010": {}, "10020": {}}) == {"10010": None, "10020": "young_listing"}


def test_without_product_category_the_industry_decides() -> None:
    """Funds end in 0 too, but have no industry; an unknown section is no reason."""
    codes: dict[str, dict[str, str | None]] = {
        "10010": {"ProdCat": None, "Mkt": None},
        "10020": {"ProdCat": "", "S33": "-"},
        "10030": {"ProdCat": None, "S33": "9999"},
    }
    found = universe([bars(code) for code in codes], codes)
    assert found == {"10010": None, "10020": "not_common_stock", "10030": "not_common_stock"}


def test_the_day_itself_and_later_days_change_nothing() -> None:
    """A crash, a halt or a fortune traded on the day is not known the evening before."""
    day = N - 10
    codes: dict[str, dict[str, str | None]] = {"10010": {}, "10020": {}}
    settings = UniverseSettings(n_largest=1, min_price=50, min_trading_value=1000)
    before = [bars("10010", value=6000, last=day), bars("10020", last=day)]
    wild = pl.DataFrame(
        {
            "Date": DAYS[day:] * 2,
            "Code": ["10010"] * 10 + ["10020"] * 10,
            "C": [1.0] * 20,
            "Va": [0.0] * 10 + [1e12] * 10,
        }
    ).with_columns(AdjFactor=pl.lit(1.0))
    assert universe([*before, wild], codes, day, settings) == universe(before, codes, day, settings)
    assert universe(before, codes, day, settings) == {"10010": None, "10020": "not_among_largest"}


def test_suspended_on_the_day_stays() -> None:
    """Yesterday's close stands, whether a row without prices or no row follows."""
    halted = bars("10020").with_columns(pl.when(pl.col("Date") < DAYS[-3]).then(pl.col("C", "Va")))
    assert universe([bars("10010", last=N - 2), halted], {"10010": {}, "10020": {}}) == {"10010": None, "10020": None}


def test_flags_exclude_nothing() -> None:
    """Suspended or locked yesterday, and in the universe today; which days and prices that means: test_halts.py."""
    locked = bars("10010").with_columns(H="C", L="C", UL=pl.lit("1"))
    halted = locked.with_columns(pl.when(pl.col("Date") != DAYS[-2]).then(pl.col("C", "Va")), Code=pl.lit("10020"))
    found = rows([locked, halted], {"10010": {}, "10020": {}})
    assert found.select("Code", "in_universe", "suspended", "limit_locked").rows() == [
        ("10010", True, False, True),
        ("10020", True, True, False),
    ]


def test_value_of_a_session_without_trade_is_zero() -> None:
    """Traded every third session: the median session saw nothing."""
    thin = bars("10010", value=1e9).with_columns(pl.when(pl.int_range(N) % 3 == 0).then(pl.col("C", "Va")))
    assert universe([thin], {"10010": {}}) == {"10010": "low_trading_value"}


def test_largest_are_those_of_the_month_before() -> None:
    """DAYS[151] is 1 June: 10020 overtakes within May and counts from June on; ties go by code."""
    codes: dict[str, dict[str, str | None]] = {"10010": {}, "10020": {}, "10030": {}}
    surge = pl.concat([bars("10020", last=125), bars("10020", first=125, value=1e9)])
    settings = UniverseSettings(n_largest=1, min_price=50, min_trading_value=1000)
    frames = [bars("10010"), surge, bars("10030")]
    assert DAYS[151] == date(2021, 6, 1)
    assert universe(frames, codes, 150, settings) == {
        "10010": None,
        "10020": "not_among_largest",
        "10030": "not_among_largest",
    }
    assert universe(frames, codes, 151, settings)["10020"] is None


def test_unknown_size_takes_no_place_among_the_largest() -> None:
    """A stock listed within the month has no rank, and pushes nobody out."""
    settings = UniverseSettings(n_largest=1, min_price=50, min_trading_value=1000, min_listed_sessions=0)
    found = universe([bars("10010", first=140, value=1e9), bars("10020")], {"10010": {}, "10020": {}}, 150, settings)
    assert found == {"10010": "low_trading_value", "10020": None}


def test_stretched_snapshot_uses_no_section_and_lists_by_bars() -> None:
    """Mkt of the last day says nothing about the years before; a stock appears with its first bar."""
    codes: dict[str, dict[str, str | None]] = {"10010": {"Mkt": "0109"}, "10020": {}}
    frames = [bars("10010"), bars("10020", first=130)]
    assert universe(frames, codes, 120, stretched=True) == {"10010": None}
    assert universe(frames, codes, 140, stretched=True) == {"10010": None, "10020": "young_listing"}


def test_daily_master_lists_by_the_day() -> None:
    """The snapshot of the day, or the last before it: a stock that is not in it any more is not listed."""
    tables = {
        "daily_bars": pl.concat([bars("10010"), bars("10020")]).lazy(),
        "equities_master": pl.concat(
            [master({"10010": {}, "10020": {"S33": "0050"}}, DAYS[:100]), master({"10010": {}}, [DAYS[150]])]
        ).lazy(),
        "trading_calendar": pl.LazyFrame({"Date": DAYS, "HolDiv": ["1"] * N}),
    }
    frame = build_universe(tables, SETTINGS, DAYS[149], DAYS[150], stretched_master=False)
    assert frame.select("Date", "Code", "S33").rows() == [
        (DAYS[149], "10010", "3650"),
        (DAYS[149], "10020", "0050"),
        (DAYS[150], "10010", "3650"),
    ]
    late = tables | {"equities_master": master({"10010": {}}, [DAYS[150]]).lazy()}
    with pytest.raises(ContractError, match="no snapshot valid for 2021-05-30"):
        build_universe(late, SETTINGS, DAYS[149], DAYS[150], stretched_master=False)


def test_month_by_month_equals_the_whole() -> None:
    """Each part with its warm-up gives the rows of the whole, whatever the order of the rows; a year ends in it."""
    holes = bars("10020", value=2000).with_columns(pl.when(pl.int_range(N) % 4 > 0).then(pl.col("C", "Va")))
    frames = pl.concat([bars("10010", first=20), holes, bars("10030", last=130)])
    codes: dict[str, dict[str, str | None]] = {"10010": {}, "10020": {}, "10030": {}}
    settings = UniverseSettings(n_largest=2, min_price=50, min_trading_value=1000, min_listed_sessions=5)
    days = [day + timedelta(days=250) for day in DAYS]
    tables = {
        "daily_bars": frames.sample(fraction=1.0, shuffle=True, seed=3)
        .with_columns(pl.col("Date") + timedelta(250))
        .lazy(),
        "equities_master": master(codes, days).lazy(),
        "trading_calendar": pl.LazyFrame({"Date": days, "HolDiv": ["1"] * N}),
    }
    whole = build_universe(tables, settings, days[0], days[-1], stretched_master=False)
    parts = [build_universe(tables, settings, days[i], days[i + 19], stretched_master=False) for i in range(0, N, 20)]
    assert days[0].year < days[-1].year
    assert pl.concat(parts).equals(whole)
    assert whole["reason"].n_unique() > 3
    assert universe_warmup(settings) == 65 + 60 + 23
