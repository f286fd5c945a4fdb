"""Japanese holidays, against days that are known."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from atft_pipeline.jquants.simulated_calendar import calendar_frame, holiday_division, national_holidays, sessions_until

HOLIDAYS_2019 = [
    (1, 1), (1, 14), (2, 11), (3, 21), (4, 29), (4, 30), (5, 1), (5, 2), (5, 3), (5, 4), (5, 5), (5, 6), (7, 15),
    (8, 11), (8, 12), (9, 16), (9, 23), (10, 14), (10, 22), (11, 3), (11, 4), (11, 23),
]  # fmt: skip
HOLIDAYS_2024 = [
    (1, 1), (1, 8), (2, 11), (2, 12), (2, 23), (3, 20), (4, 29), (5, 3), (5, 4), (5, 5), (5, 6), (7, 15), (8, 11),
    (8, 12), (9, 16), (9, 22), (9, 23), (10, 14), (11, 3), (11, 4), (11, 23),
]  # fmt: skip
SESSIONS = {
    2014: 244,
    2016: 245,
    2017: 247,
    2018: 245,
    2019: 241,
    2020: 243,
    2021: 245,
    2022: 244,
    2023: 246,
    2024: 245,
}
"""Sessions of the exchange by year."""


@pytest.mark.parametrize(("year", "days"), [(2019, HOLIDAYS_2019), (2024, HOLIDAYS_2024)])
def test_the_holidays_of_a_year(year: int, days: list[tuple[int, int]]) -> None:
    assert sorted(national_holidays(year)) == [date(year, month, day) for month, day in days]


@pytest.mark.parametrize(
    "closed",
    [
        date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), date(2024, 12, 31), date(2023, 1, 3), date(2020, 7, 23),
        date(2020, 7, 24), date(2020, 8, 10), date(2021, 8, 9), date(2015, 9, 22), date(2018, 12, 24),
        date(2026, 9, 22), date(2024, 11, 2),
    ],
)  # fmt: skip
def test_closed(closed: date) -> None:
    assert holiday_division(closed) in ("0", "3")


@pytest.mark.parametrize(
    "session", [date(2024, 1, 4), date(2024, 12, 30), date(2019, 12, 23), date(2020, 7, 20), date(2021, 10, 11)]
)
def test_open(session: date) -> None:
    assert holiday_division(session) == "1"


def test_derivatives_trade_on_holidays_since_2022() -> None:
    assert holiday_division(date(2022, 9, 23)) == "3"
    assert holiday_division(date(2022, 9, 19)) == "0"
    assert holiday_division(date(2024, 11, 23)) == "0"  # a Saturday


@pytest.mark.parametrize(("year", "count"), SESSIONS.items())
def test_the_number_of_sessions_of_a_year(year: int, count: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=i) for i in range(366)]
    assert sum(holiday_division(day) == "1" for day in days if day.year == year) == count


def test_sessions_end_with_the_last() -> None:
    assert sessions_until(date(2024, 12, 31), 3) == (date(2024, 12, 26), date(2024, 12, 27), date(2024, 12, 30))


def test_the_calendar_covers_whole_years_and_one_on_either_side() -> None:
    frame = calendar_frame(date(2023, 6, 1), date(2024, 2, 1))
    assert frame["Date"].to_list() == [date(2022, 1, 1) + timedelta(days=i) for i in range(365 + 365 + 366 + 365)]
    assert set(frame["HolDiv"]) == {"0", "1", "3"}
    assert frame.schema == {"Date": pl.Date, "HolDiv": pl.String}
