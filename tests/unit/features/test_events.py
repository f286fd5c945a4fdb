"""Distances to announcements and ends of months, on schedules that are written out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from tests.unit.features.hand_made import Row, features, weekdays

DAYS = weekdays()
AT = 600
TO, SINCE = "sessions_to_announcement", "sessions_since_announcement"


def notice(at: int, scheduled: int | date | None, quarter: str = "1Q", code: str = "13010") -> Row:
    """Published on session `at`, for a session or a day."""
    day = DAYS[scheduled] if isinstance(scheduled, int) else scheduled
    return {"PubDate": DAYS[at], "SchDate": day, "FQName": quarter, "FYE": "0331", "Code": code}


def distance(name: str, at: int, rows: Sequence[Row]) -> float | None:
    """One column of one stock."""
    value = features("events", DAYS[at], earnings_dates=rows)[name].item()
    return None if value is None else float(value)


def test_a_notice_is_seen_on_the_day_of_its_publication() -> None:
    """10:05 is before the close: unknown the day before, thirty sessions ahead on the day."""
    rows = [notice(AT, AT + 30)]
    assert distance(TO, AT - 1, rows) is None
    assert [distance(TO, AT + i, rows) for i in (0, 1, 29)] == [30, 29, 1]
    assert distance(TO, AT + 30, rows) is None


def test_since_begins_on_the_scheduled_day() -> None:
    """Zero on the day, whatever was really disclosed then; before it, nothing is known of the past."""
    rows = [notice(AT, AT + 30)]
    assert [distance(SINCE, AT + i, rows) for i in (29, 30, 31, 90)] == [None, 0, 1, 60]


def test_the_nearest_of_several_counts() -> None:
    """Two quarters known at once; the last one passed is what `since` tells of."""
    rows = [notice(AT, AT + 50, "2Q"), notice(AT, AT + 10), notice(AT, AT + 5, code="99990")]
    assert [distance(TO, AT + i, rows) for i in (0, 9, 10, 49)] == [10, 1, 40, 1]
    assert [distance(SINCE, AT + i, rows) for i in (9, 10, 49, 50)] == [None, 0, 39, 0]


def test_a_date_that_is_moved() -> None:
    """From the new notice on the new date counts; the old one never came."""
    rows = [notice(AT, AT + 10), notice(AT + 6, AT + 14)]
    for order in (rows, rows[::-1]):
        assert [distance(TO, AT + i, order) for i in (5, 6, 13)] == [5, 8, 1]
        assert [distance(SINCE, AT + i, order) for i in (10, 12, 14)] == [None, None, 0]


def test_a_date_moved_on_its_own_morning_did_not_come() -> None:
    """The next year's notice of the same quarter, later than the day, takes nothing back."""
    moved = [notice(AT, AT + 10), notice(AT + 10, AT + 20)]
    assert [distance(SINCE, AT + i, moved) for i in (10, 19, 20)] == [None, None, 0]
    again = [notice(AT, AT + 10), notice(AT + 11, AT + 60)]
    assert [distance(SINCE, AT + i, again) for i in (10, 11, 20)] == [0, 1, 10]
    assert distance(TO, AT + 11, again) == 49


def test_undecided_is_unknown() -> None:
    """A notice without a date replaces the one before; a later one with a date ends that."""
    rows = [notice(AT, AT + 10), notice(AT + 3, None), notice(AT + 5, AT + 20)]
    assert [distance(TO, AT + i, rows) for i in (2, 3, 4, 5)] == [8, None, None, 15]
    assert distance(SINCE, AT + 12, rows) is None


def test_the_distance_is_capped() -> None:
    """Sixty sessions at most; a notice counts for 250 sessions, for both distances."""
    rows = [notice(AT, AT + 100), notice(AT, AT + 300, "FY")]
    assert [distance(TO, AT + i, rows) for i in (0, 40, 41)] == [60, 60, 59]
    assert [distance(TO, AT + i, rows) for i in (249, 250, 251)] == [51, 50, None]
    assert [distance(SINCE, AT + i, rows) for i in (250, 251, 310)] == [150, None, None]


def test_dates_that_are_no_sessions() -> None:
    """Published on Sunday: seen on Monday. Scheduled for Saturday: the Monday after."""
    row = {**notice(AT, None), "PubDate": date(2022, 6, 5), "SchDate": date(2022, 6, 18)}
    at = DAYS.index(date(2022, 6, 3))
    assert [distance(TO, at + i, [row]) for i in (0, 1, 10)] == [None, 10, 1]
    assert distance(SINCE, DAYS.index(date(2022, 6, 20)), [row]) == 0


def test_a_date_beyond_the_calendar_is_unknown() -> None:
    """How many sessions lie between cannot be counted."""
    assert distance(TO, AT, [notice(AT, date(2026, 1, 5))]) is None


def flags(name: str, first: date, last: date, sessions: Sequence[date] | None = None) -> list[date]:
    """Days on which the flag is 1."""
    frame = features("events", first, last, sessions=sessions, earnings_dates=[])
    return frame.filter(frame[name] == 1)["Date"].to_list()


def test_the_last_three_sessions() -> None:
    """June 2022 ends a quarter, May does not."""
    may = [date(2022, 5, day) for day in (27, 30, 31)]
    june = [date(2022, 6, day) for day in (28, 29, 30)]
    assert flags("month_end", date(2022, 5, 10), date(2022, 7, 5)) == [*may, *june]
    assert flags("quarter_end", date(2022, 5, 10), date(2022, 7, 5)) == june


def test_sessions_are_the_exchange_s() -> None:
    """With the 29th and 30th closed, the month ends on the 24th, 27th and 28th."""
    closed = (date(2022, 6, 29), date(2022, 6, 30))
    open_days = [day for day in DAYS if day not in closed]
    assert flags("quarter_end", date(2022, 6, 10), date(2022, 7, 5), open_days) == [
        date(2022, 6, day) for day in (24, 27, 28)
    ]


def test_the_end_of_the_calendar_is_no_end_of_a_month() -> None:
    """Where the calendar does not reach three sessions further it is not known."""
    until = [day for day in DAYS if day <= date(2022, 6, 15)]
    frame = features("events", date(2022, 6, 9), date(2022, 6, 15), sessions=until, earnings_dates=[])
    assert frame["month_end"].to_list() == [0, 0, None, None, None]


@pytest.mark.parametrize("name", ["month_end", "quarter_end"])
def test_a_year_in_flags(name: str) -> None:
    """Three for each month, three for each quarter."""
    first, last = date(2022, 1, 1), date(2022, 1, 1) + timedelta(days=364)
    assert len(flags(name, first, last)) == (36 if name == "month_end" else 12)
