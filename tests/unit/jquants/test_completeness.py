"""What an endpoint's rows lack: sessions, weeks and months, told apart by whether they may still come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from atft_pipeline.jquants.completeness import Completeness, bars_of_listed, completeness
from atft_pipeline.jquants.endpoints import ENDPOINTS

WEEKDAYS = [
    day for n in range(120) if (day := date(2020, 7, 1) + timedelta(days=n)).weekday() < 5 and day <= date(2020, 10, 16)
]
"""2020-07-01 to 2020-10-16; 2020-10-01 saw no trade."""


def found(name: str, days: Sequence[date]) -> Completeness:
    endpoint = ENDPOINTS[name]
    rows = pl.LazyFrame({endpoint.date_column: days}, schema={endpoint.date_column: pl.Date})
    return completeness(rows, endpoint, WEEKDAYS, lookback_days=7)


def test_a_session_without_rows_is_a_hole_and_a_late_one_is_late() -> None:
    days = [day for day in WEEKDAYS if day not in (date(2020, 8, 3), date(2020, 10, 1), date(2020, 10, 15))]
    lacks = found("topix", days)
    assert (lacks.holes, lacks.late, lacks.before_the_first) == (("2020-08-03",), ("2020-10-15",), ())
    assert (lacks.expected, lacks.got) == (len(WEEKDAYS) - 1, len(WEEKDAYS) - 3)  # nobody expects 2020-10-01
    assert str(lacks) == "lost: 1 (2020-08-03); late: 1 (2020-10-15)"


def test_bars_that_begin_late_are_a_hole() -> None:
    lacks = found("daily_bars", [day for day in WEEKDAYS if day >= date(2020, 7, 3)])
    assert lacks.holes == ("2020-07-01", "2020-07-02")


def test_a_family_that_begins_later_than_the_period_is_told_and_is_no_hole() -> None:
    lacks = found("financial_summaries", [date(2020, 8, 5), date(2020, 9, 9)])
    assert (lacks.holes, lacks.before_the_first) == ((), ("2020-07",))
    assert lacks.late == ()  # of October there are too few sessions to expect anything


def test_a_month_without_rows_between_others_is_a_hole() -> None:
    assert found("financial_summaries", [date(2020, 7, 5), date(2020, 9, 9)]).holes == ("2020-08",)


def test_a_week_is_expected_once_it_has_three_sessions() -> None:
    fridays = [day for day in WEEKDAYS if day.weekday() == 4]
    assert found("margin_interest", fridays).expected == len(fridays)
    assert found("margin_interest", [day for day in fridays if day != date(2020, 8, 7)]).holes == ("2020 week 32",)


def test_listed_codes_without_bars_are_counted() -> None:
    codes = [f"{n:04d}0" for n in range(100)]
    listed = pl.LazyFrame({"Code": codes}).join(pl.LazyFrame({"Date": WEEKDAYS}), how="cross")
    few = pl.col("Code").is_in(codes[:3])
    holes = (pl.col("Date") == date(2020, 8, 3)) & few
    tolerated = (pl.col("Date") == date(2020, 8, 4)) & (pl.col("Code") == codes[0])
    late = (pl.col("Date") == date(2020, 10, 16)) & few
    lacks = bars_of_listed(listed.filter(~(holes | tolerated | late)), listed, WEEKDAYS, lookback_days=7)
    assert (lacks.holes, lacks.late) == (("2020-08-03",), ("2020-10-16",))
    assert (lacks.expected, lacks.got) == (100 * len(WEEKDAYS), 100 * len(WEEKDAYS) - 7)


def test_nothing_lacks_where_everything_is_there() -> None:
    assert str(found("topix", WEEKDAYS)) == ""
