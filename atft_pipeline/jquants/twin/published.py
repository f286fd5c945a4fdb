"""The rows of the simulated market that are out at a moment: nothing is served before its publication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import polars as pl

from atft_pipeline.calendar import TOKYO, TradingCalendar
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.simulated_calendar import calendar_frame
from atft_pipeline.jquants.simulated_margin import MARGIN_DAILY_FROM
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.twin.columns import MARGIN_COLUMNS_CHANGED
from atft_pipeline.sections import SimulatorSettings

DAY = timedelta(days=1)
LOOK_AHEAD = 14 * DAY
"""Rows of a later day can be out: the next session's master, also before the longest holidays."""


class PublishedRows:
    """A simulated market, seen through publication times.

    Rows of a day appear at the endpoint's `updated_at`. Of a day's statements the first half, in the order of their
    numbers, is there at 18:00 and all of them at 00:30 of the next day. The master of a session is out at 17:30 of the
    session before; that of the session after the market's last one repeats its last snapshot.

    Args:
        market: size, dates, seed and effects; its first session lies before any `now` that is asked about.
        late_statements: by how much statements come later than they should.
    """

    def __init__(self, market: SimulatorSettings, late_statements: timedelta = timedelta(0)) -> None:
        self.source = SimulatedSource(market)
        self._late = late_statements
        self._fetch = lru_cache(maxsize=8)(self.source.fetch)  # the pages of a query read the same rows
        self._calendar = lru_cache(maxsize=2)(self._calendar_until)

    def rows(self, endpoint: Endpoint, first: date, last: date, now: datetime) -> pl.DataFrame:
        """Wire rows whose date column lies in [first, last] and that are out at `now`."""
        if endpoint.name == "trading_calendar":
            return self._calendar_rows(first, last, now)
        rows = self._fetch(endpoint.name, first, min(last, self.last_known(endpoint, now)))
        if endpoint.name == "equities_master":
            return pl.concat([rows, self._snapshot_after_the_end(first, last, now)])
        if endpoint.name == "financial_summaries":
            return self._numbered_so_far(rows, now)
        return rows

    def updates(self, endpoint: Endpoint, day: date) -> tuple[datetime, ...]:
        """Moments at which rows of a day came or changed, ascending; the first is when there were any at all."""
        if endpoint.name == "equities_master":
            return (_at(self.calendar(day).previous_session(day), max(endpoint.updated_at)),)
        if endpoint.name == "financial_summaries":
            final, preliminary = endpoint.updated_at
            return _at(day, preliminary) + self._late, _at(day + DAY, final) + self._late
        if endpoint.name == "margin_interest":
            return self._margin_updates(endpoint, day)
        return (_at(day, min(endpoint.updated_at)),)

    def last_known(self, endpoint: Endpoint, now: datetime) -> date:
        """Latest day of which rows can be out."""
        return self._latest(lambda day: self.updates(endpoint, day)[0], now)

    def snapshot_session(self, day: date, now: datetime) -> date:
        """The session whose master is given for a day: the day or the next session; the latest one if not out yet."""
        calendar = self.calendar(now.astimezone(TOKYO).date())
        wanted = calendar.next_session(day - DAY) if day < calendar.sessions[-1] else calendar.sessions[-1]
        latest = calendar.at_or_before(self.last_known(ENDPOINTS["equities_master"], now))
        return min(wanted, latest, calendar.next_session(self.source.last_session()))

    @property
    def calendar_start(self) -> date:
        """First day of the calendar: of the year before the first session's."""
        return date(self.source.first_session().year - 1, 1, 1)

    def calendar(self, day: date) -> TradingCalendar:
        """Sessions up to the end of the year after `day`'s, or after that of the market's last session."""
        return self._calendar(max(day, self.source.last_session()).year)

    def _calendar_until(self, year: int) -> TradingCalendar:
        return TradingCalendar.from_frame(calendar_frame(self.source.first_session(), date(year, 12, 31)))

    def _calendar_rows(self, first: date, last: date, now: datetime) -> pl.DataFrame:
        today = max(now.astimezone(TOKYO).date(), self.source.last_session())
        days = calendar_frame(self.source.first_session(), today).filter(pl.col("Date").is_between(first, last))
        return days.with_columns(pl.col("Date").dt.to_string("%Y-%m-%d"))

    def _margin_updates(self, endpoint: Endpoint, day: date) -> tuple[datetime, ...]:
        """The balances of a week come on the 2nd session after it, daily ones on the next; once all got columns."""
        calendar = self.calendar(day)
        session = calendar.at_or_before(day)
        out = _at(calendar.shift(session, 2 if day < MARGIN_DAILY_FROM else 1), min(endpoint.updated_at))
        return (out,) if out >= MARGIN_COLUMNS_CHANGED else (out, MARGIN_COLUMNS_CHANGED)

    def _snapshot_after_the_end(self, first: date, last: date, now: datetime) -> pl.DataFrame:
        endpoint, end = ENDPOINTS["equities_master"], self.source.last_session()
        after = self.calendar(end).next_session(end)
        rows = self._fetch(endpoint.name, end, end).with_columns(Date=pl.lit(after.isoformat()))
        out = first <= after <= min(last, self.last_known(endpoint, now))
        return rows if out else rows.clear()

    def _numbered_so_far(self, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """All statements of the days that are complete, the first half of those that are not."""
        endpoint = ENDPOINTS["financial_summaries"]
        complete = self._latest(lambda day: self.updates(endpoint, day)[1], now)
        number, count = pl.int_range(pl.len()).over("DiscDate"), pl.len().over("DiscDate")
        return rows.filter((pl.col("DiscDate") <= complete.isoformat()) | (2 * number < count))

    def _latest(self, out: Callable[[date], datetime], now: datetime) -> date:
        """Latest day whose moment has come; days are looked at from the future backwards."""
        day = now.astimezone(TOKYO).date() + LOOK_AHEAD
        while out(day) > now:
            day -= DAY
        return day


def _at(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, TOKYO)
