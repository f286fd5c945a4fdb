"""The Tokyo Stock Exchange's sessions: which days trade, when they close, what comes before and after."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from atft_pipeline.errors import CalendarError

TOKYO = ZoneInfo("Asia/Tokyo")
SESSION_DIVISIONS = ("1", "2")
"""HolDiv of a session: "1" a full day, "2" a half day. "0" and "3" (derivatives only) are closed for equities."""

SESSIONS_WITHOUT_TRADE = (date(2020, 10, 1),)
"""Sessions of the exchange without a single trade: the all-day outage. No bar tells them from holidays."""

LONGER_SESSION_FROM = date(2024, 11, 5)
"""From this session on the close is 15:30; before it, 15:00."""


def session_close(day: date) -> time:
    """Close of the cash session of `day`, Tokyo time: 15:00 until 2024-11-01, 15:30 from 2024-11-05."""
    return time(15, 30) if day >= LONGER_SESSION_FROM else time(15, 0)


@dataclass(frozen=True)
class TradingCalendar:
    """Sessions in ascending order, without duplicates. All date arithmetic of the project goes through this."""

    sessions: tuple[date, ...]
    _position: dict[date, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sessions:
            raise CalendarError("The calendar holds no session.", remedy="Give rows with HolDiv '1' or '2'.")
        if any(b <= a for a, b in zip(self.sessions, self.sessions[1:], strict=False)):
            raise CalendarError(
                "Sessions are not strictly ascending.", remedy="Sort the calendar and remove duplicates."
            )
        object.__setattr__(self, "_position", {day: i for i, day in enumerate(self.sessions)})

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> TradingCalendar:
        """From rows of `markets/calendar` (Date, HolDiv): half days count, days of derivatives only do not."""
        rows = frame.filter(pl.col("HolDiv").is_in(SESSION_DIVISIONS))["Date"].unique().sort()
        return cls(tuple(rows.to_list()))

    @classmethod
    def from_days(cls, days: Iterable[date]) -> TradingCalendar:
        """From the days themselves, in any order."""
        return cls(tuple(sorted(set(days))))

    def __len__(self) -> int:
        return len(self.sessions)

    def __contains__(self, day: object) -> bool:
        return day in self._position

    def position(self, day: date) -> int:
        """Ordinal of a session, 0 for the first.

        Raises:
            CalendarError: `day` is not a session of this calendar.
        """
        if day not in self._position:
            raise CalendarError(
                f"{day} is not a session (calendar: {self.sessions[0]} to {self.sessions[-1]}).",
                remedy="Use next_session or previous_session to reach a session.",
            )
        return self._position[day]

    def shift(self, day: date, n: int) -> date:
        """The session `n` sessions after `day` (before it, if negative); `day` must be a session."""
        target = self.position(day) + n
        if not 0 <= target < len(self.sessions):
            raise CalendarError(
                f"{n:+d} sessions from {day} leaves the calendar ({self.sessions[0]} to {self.sessions[-1]}).",
                remedy="Give a calendar that covers the period.",
            )
        return self.sessions[target]

    def next_session(self, day: date) -> date:
        """First session after `day`, which need not be one."""
        return self._at(bisect_right(self.sessions, day), day)

    def previous_session(self, day: date) -> date:
        """Last session before `day`, which need not be one."""
        return self._at(bisect_left(self.sessions, day) - 1, day)

    def at_or_before(self, day: date) -> date:
        """The session `day`, or the last one before it."""
        return self._at(bisect_right(self.sessions, day) - 1, day)

    def between(self, start: date, end: date) -> Sequence[date]:
        """Sessions in [start, end], both included."""
        return self.sessions[bisect_left(self.sessions, start) : bisect_right(self.sessions, end)]

    def decision_session(self, published: datetime) -> date:
        """First session at whose close a datum published at this instant may be used.

        A datum published strictly before the close of a session belongs to that session; from the close on,
        to the next one. A naive instant is Tokyo time.
        """
        local = published.astimezone(TOKYO) if published.tzinfo else published
        day = local.date()
        if day in self and local.time() < session_close(day):
            return day
        return self.next_session(day)

    def _at(self, index: int, day: date) -> date:
        if not 0 <= index < len(self.sessions):
            raise CalendarError(
                f"No session beside {day} (calendar: {self.sessions[0]} to {self.sessions[-1]}).",
                remedy="Give a calendar that covers the period and a session on either side.",
            )
        return self.sessions[index]
