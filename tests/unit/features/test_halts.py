"""Suspended and limit-locked by hand: one trouble per case, in ten sessions around the outage of 2020-10-01."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features.halts import last_traded, limit_locked
from atft_pipeline.features.panel import grid
from atft_pipeline.features.universe import build_universe
from atft_pipeline.sections import UniverseSettings

DAYS = [date(2020, 9, 25) + timedelta(days=i) for i in range(10)]
OUTAGE = DAYS.index(date(2020, 10, 1))
EVERYTHING = UniverseSettings(min_price=0.0, min_trading_value=0.0, min_listed_sessions=0)
OTHER = "99990"
"""A stock that trades without trouble on every session but the outage: the exchange is open."""

Values = Sequence[float | str | None]
TYPES: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("C", "H", "L", "Va", "AdjFactor"), pl.Float64),
    **dict.fromkeys(("UL", "LL"), pl.String),
}


def bars(code: str, close: Values, **columns: Values) -> pl.DataFrame:
    """Rows from the first day on, null = a row without prices; H and L are 10 yen around C unless given."""
    n = len(close)
    price = pl.Series(close, dtype=pl.Float64)
    known = {"C": price, "H": price + 10, "L": price - 10, "Va": price * 100, "AdjFactor": [1.0] * n, **columns}
    values = {name: known.get(name, [None] * n) for name in TYPES}
    return pl.DataFrame({"Date": DAYS[:n], "Code": [code] * n, **values}, schema_overrides=TYPES)


def others() -> pl.DataFrame:
    """Bars of the stock without trouble."""
    return bars(OTHER, [None if t == OUTAGE else 500.0 for t in range(len(DAYS))])


def flags(frame: pl.DataFrame, *, listed_from: int = 0, other: bool = True) -> dict[str, list[int]]:
    """By flag, the positions of the days on which it stands at 10010; it is never null, and never at the other.

    10010 is listed from a day on; the stock without trouble is listed, or known by its bars alone.
    """
    listed = [(day, OTHER) for day in DAYS if other] + [(day, "10010") for day in DAYS[listed_from:]]
    profile = {"S33": "3650", "S17": "9", "ProdCat": "011", "Mkt": "0111"}
    tables = {
        "daily_bars": pl.concat([frame, others()]).lazy(),
        "equities_master": pl.LazyFrame([{"Date": day, "Code": code, **profile} for day, code in listed]),
        "trading_calendar": pl.LazyFrame({"Date": DAYS, "HolDiv": ["1"] * len(DAYS)}),
    }
    every = build_universe(tables, EVERYTHING, DAYS[0], DAYS[-1], stretched_master=False)
    every = every.select("Date", "Code", "suspended", "limit_locked")
    assert every.drop_nulls().height == every.height
    found = every.unpivot(["suspended", "limit_locked"], index=["Date", "Code"]).filter("value")
    assert set(found["Code"]) <= {"10010"}
    return {
        name: [DAYS.index(day) for day in found.filter(pl.col("variable") == name)["Date"].to_list()]
        for name in ("suspended", "limit_locked")
    }


def one_price(close: Values, **columns: Values) -> dict[str, list[int]]:
    """Flags of a stock whose sessions are at one price each."""
    return flags(bars("10010", close, **({"H": close, "L": close} | columns)))


@pytest.mark.parametrize("row", ["without prices", "absent"])
def test_suspended_is_told_on_the_next_session(row: str) -> None:
    """No trade on day 3: the evening of day 3 knows, so the row of day 4 tells, and that of day 5 no more."""
    halted = bars("10010", [500, 500, 500, None, 500, 500])
    found = flags(halted if row == "without prices" else halted.drop_nulls("C"))
    assert found["suspended"][0] == 4
    assert 3 not in found["suspended"]
    assert 5 not in found["suspended"]


def test_a_long_halt_is_told_on_every_session() -> None:
    """No row from day 2 on."""
    assert flags(bars("10010", [500, 500]))["suspended"] == [3, 4, 5, 6, 7, 8, 9]


def test_a_stock_that_is_not_listed_shows_that_the_exchange_was_open() -> None:
    """Nothing in the master traded on day 3, something else did: no outage."""
    halted = bars("10010", [500, 500, 500, None, 500, 500, None, 500, 500, 500])
    assert flags(halted, other=False)["suspended"] == flags(halted)["suspended"] == [4]


def test_nobody_is_suspended_by_an_outage() -> None:
    """Day 6 has no price at all: the row of day 7 still tells of day 5, as the row of day 6 does."""
    assert flags(bars("10010", [500, 500, 500, 500, 500, 500, None, 500, 500, 500]))["suspended"] == []
    assert flags(bars("10010", [500, 500, 500, 500, 500, None, None, 500, 500, 500]))["suspended"] == [6, 7]
    assert flags(bars("10010", [500, 500, 500, 500, 500, 500, None, None, 500, 500]))["suspended"] == [8]


def test_a_lock_before_an_outage_is_told_after_it() -> None:
    """Locked on day 5, 2020-09-30: the rows of the outage and of the day after it tell."""
    close = [500, 500, 500, 500, 500, 600, None, 610, 620, 630]
    assert one_price(close)["limit_locked"] == [6, 7]


def test_a_new_listing_is_neither() -> None:
    """Listed from day 2, first traded on day 4 at one price, no trade on day 5: suspended on day 6 and 7 (outage)."""
    close = [None, None, None, None, 500, None, None, 500, 500, 500]
    new = bars("10010", close, H=close, L=close)
    assert flags(new, listed_from=2) == {"suspended": [6, 7], "limit_locked": []}


def test_first_day_has_no_table_limit_but_the_sources() -> None:
    """Without a close before it the table knows no limit; the source does."""
    close = [None, None, 500, 500, 500]
    assert one_price(close)["limit_locked"] == []
    assert one_price(close, UL=[None, None, "1", "0", "0"])["limit_locked"] == [3]


def test_locked_by_the_table() -> None:
    """At 950 yen the limit is 150: 1,100 or 800 all day is locked; a yen less, or a trade off the limit, is not."""
    assert one_price([950, 1100])["limit_locked"] == [2]
    assert one_price([950, 800])["limit_locked"] == [2]
    assert one_price([950, 1099])["limit_locked"] == []
    assert one_price([950, 1100], L=[950, 1099])["limit_locked"] == []
    assert one_price([950, 1099], H=[950, 1100])["limit_locked"] == []
    assert one_price([950, 800], H=[950, 801])["limit_locked"] == []


def test_the_sources_flag_goes_before_the_table() -> None:
    """UL and LL say it where they are known; where they are null the table does."""
    assert one_price([950, 1000], UL=["0", "1"], LL=["0", "0"])["limit_locked"] == [2]
    assert one_price([950, 900], UL=["0", "0"], LL=["0", "1"])["limit_locked"] == [2]
    assert one_price([950, 1100], UL=["0", "0"], LL=["0", "0"])["limit_locked"] == []
    assert one_price([950, 1100], UL=["0", None], LL=["0", None])["limit_locked"] == [2]
    assert one_price([950, 1000], L=[950, 990], UL=["0", "1"], LL=["0", "0"])["limit_locked"] == []


def test_a_limit_without_any_trade_is_suspended_not_locked() -> None:
    """Quoted at the limit all day and never matched: no price, whatever the source's flag."""
    found = one_price([950, None, 950], UL=["0", "1", "0"])
    assert found["limit_locked"] == []
    assert found["suspended"][0] == 2


def test_the_limit_is_that_of_the_share_basis() -> None:
    """Two for one on day 1: 1,000 becomes 500 and the limit 100, so 600 is locked, and 580 is no fall of 420."""
    assert one_price([1000, 600], AdjFactor=[1.0, 0.5])["limit_locked"] == [2]
    assert one_price([1000, 580], AdjFactor=[1.0, 0.5])["limit_locked"] == []


def test_a_split_after_the_lock_changes_nothing() -> None:
    """Locked on day 1 on its own basis; the ex-date is day 2, whose row tells."""
    assert one_price([950, 1100, 550], AdjFactor=[1.0, 1.0, 0.5])["limit_locked"] == [2]


def test_a_halt_over_a_split_keeps_the_base() -> None:
    """No trade on the ex-date, day 1: the base of day 2 is still 500."""
    assert one_price([1000, None, 600], AdjFactor=[1.0, 0.5, 1.0])["limit_locked"] == [3]


def test_bars_without_high_low_and_flags_lock_nobody() -> None:
    """What the source does not say is not known: False."""
    assert flags(bars("10010", [950, 1100]))["limit_locked"] == []
    close = pl.concat([bars("10010", [950, 1100]), others()]).select("Date", "Code", "C", "Va", "AdjFactor")
    assert not limit_locked(grid(close.lazy(), DAYS, ["10010"])).any()


def test_the_last_session_on_which_anything_traded() -> None:
    """Nothing before the first; a price of 0, NaN and null are no trade; any code counts."""
    nan = float("nan")
    frame = pl.concat([bars("10010", [5, None, nan, 0, None]), bars("10020", [None, None, None, None, 7])])
    np.testing.assert_equal(last_traded(frame.lazy(), DAYS[:6]), [-1, 0, 0, 0, 0, 4])
