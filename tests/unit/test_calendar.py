"""The TSE calendar: closes, half days, and sessions before and after."""

from __future__ import annotations

from datetime import date, datetime, time

import polars as pl
import pytest

from atft_pipeline.calendar import TOKYO, TradingCalendar, session_close
from atft_pipeline.errors import CalendarError

CALENDAR = TradingCalendar.from_frame(
    pl.DataFrame(
        {
            "Date": [date(2024, 11, d) for d in range(1, 9)],
            # Fri, Sat, Sun, Mon (holiday with derivatives), Tue, Wed (half day), Thu, Fri
            "HolDiv": ["1", "0", "0", "3", "1", "2", "1", "1"],
        }
    )
)
FRIDAY, TUESDAY, WEDNESDAY = date(2024, 11, 1), date(2024, 11, 5), date(2024, 11, 6)


def test_the_close_moved_on_2024_11_05() -> None:
    assert session_close(FRIDAY) == time(15, 0)
    assert session_close(TUESDAY) == time(15, 30)


def test_half_days_are_sessions_and_days_of_derivatives_are_not() -> None:
    assert WEDNESDAY in CALENDAR
    assert date(2024, 11, 4) not in CALENDAR
    assert len(CALENDAR) == 5


def test_neighbours_step_over_closed_days() -> None:
    assert CALENDAR.next_session(FRIDAY) == TUESDAY
    assert CALENDAR.previous_session(TUESDAY) == FRIDAY
    assert CALENDAR.next_session(date(2024, 11, 2)) == TUESDAY
    assert CALENDAR.at_or_before(date(2024, 11, 4)) == FRIDAY
    assert CALENDAR.shift(FRIDAY, 2) == WEDNESDAY
    assert CALENDAR.between(date(2024, 11, 2), WEDNESDAY) == (TUESDAY, WEDNESDAY)


@pytest.mark.parametrize(
    ("published", "usable"),
    [
        (datetime(2024, 11, 1, 14, 59), FRIDAY),
        (datetime(2024, 11, 1, 15, 0), TUESDAY),
        (datetime(2024, 11, 5, 15, 0), TUESDAY),
        (datetime(2024, 11, 5, 15, 30), WEDNESDAY),
        (datetime(2024, 11, 2, 9, 0), TUESDAY),
        (datetime(2024, 11, 5, 6, 30, tzinfo=TOKYO).astimezone(tz=None), TUESDAY),
    ],
)
def test_what_is_published_before_the_close_belongs_to_the_session(published: datetime, usable: date) -> None:
    assert CALENDAR.decision_session(published) == usable


def test_dates_outside_the_calendar_are_refused() -> None:
    for call in (
        lambda: CALENDAR.position(date(2024, 11, 2)),
        lambda: CALENDAR.shift(FRIDAY, -1),
        lambda: CALENDAR.next_session(date(2024, 11, 8)),
        lambda: CALENDAR.previous_session(FRIDAY),
    ):
        with pytest.raises(CalendarError, match="2024-11-0"):
            call()
    with pytest.raises(CalendarError, match="no session"):
        TradingCalendar(())
    with pytest.raises(CalendarError, match="ascending"):
        TradingCalendar((TUESDAY, FRIDAY))
    assert TradingCalendar.from_days([TUESDAY, FRIDAY, TUESDAY]).sessions == (FRIDAY, TUESDAY)
