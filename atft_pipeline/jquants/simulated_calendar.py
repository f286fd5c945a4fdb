"""Japanese holidays by rule, and the sessions of the simulated market.

Law on National Holidays, as in force from 2014 to 2030: fixed days, "happy Mondays", equinoxes, substitute days and
days between two holidays; the moved days of 2019 to 2021. The exchange is also closed from December 31 to January 3.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import polars as pl

from atft_pipeline.calendar import SESSION_DIVISIONS

DAY = timedelta(days=1)
HOLIDAY_TRADING_FROM = date(2022, 9, 23)
"""From here on derivatives trade on most national holidays: HolDiv "3". Which ones is announced each year; here it is
every one on a weekday but New Year's Day. Stocks rest on both "0" and "3"."""

_FIXED = ((1, 1), (2, 11), (4, 29), (5, 3), (5, 4), (5, 5), (11, 3), (11, 23))
_MOVED: dict[int, tuple[tuple[int, int], ...]] = {  # Marine, Mountain and Sports Day around the Olympic Games
    2020: ((7, 23), (8, 10), (7, 24)),
    2021: ((7, 22), (8, 8), (7, 23)),
}
_ONCE = (date(2019, 5, 1), date(2019, 10, 22))  # accession and enthronement


def _monday(year: int, month: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + DAY * ((7 - first.weekday()) % 7 + 7 * (nth - 1))


def _equinox(year: int, month: int, base: float) -> date:
    """Mean-motion formula of the equinoxes, right for 1980 to 2099."""
    return date(year, month, int(base + 0.242194 * (year - 1980)) - (year - 1980) // 4)


@cache
def national_holidays(year: int) -> frozenset[date]:
    """National holidays of a year, substitute days and days between holidays included."""
    days = {date(year, month, day) for month, day in _FIXED}
    days |= {_monday(year, 1, 2), _monday(year, 9, 3), _equinox(year, 3, 20.8431), _equinox(year, 9, 23.2488)}
    days |= {day for day in _ONCE if day.year == year}
    days |= {date(year, 12, 23)} if year <= 2018 else set()  # the Emperor's birthday
    days |= {date(year, 2, 23)} if year >= 2020 else set()
    if year in _MOVED:
        days |= {date(year, month, day) for month, day in _MOVED[year]}
    else:
        days |= {_monday(year, 7, 3), _monday(year, 10, 2)}
        days |= {date(year, 8, 11)} if year >= 2016 else set()
    between = {day + DAY for day in days if day + 2 * DAY in days and day + DAY not in days}
    return frozenset(days | {_substitute(day, days) for day in days if day.weekday() == 6} | between)


def _substitute(sunday: date, days: set[date]) -> date:
    day = sunday + DAY
    while day in days:
        day += DAY
    return day


def holiday_division(day: date) -> str:
    """HolDiv of a date: "1" session, "3" holiday with trading of derivatives, "0" any other closed day."""
    if day.weekday() >= 5 or (day.month, day.day) in ((12, 31), (1, 1), (1, 2), (1, 3)):
        return "0"
    if day in national_holidays(day.year):
        return "3" if day >= HOLIDAY_TRADING_FROM else "0"
    return "1"


@cache
def sessions_until(last: date, n: int) -> tuple[date, ...]:
    """The `n` sessions that end with `last`, or with the last session before it; ascending."""
    found: list[date] = []
    day = last
    while len(found) < n:
        if holiday_division(day) in SESSION_DIVISIONS:
            found.append(day)
        day -= DAY
    return tuple(reversed(found))


def calendar_frame(first: date, last: date) -> pl.DataFrame:
    """Date, HolDiv of every date of the years from the one before `first`'s to the one after `last`'s."""
    start = date(first.year - 1, 1, 1)
    days = [start + DAY * i for i in range((date(last.year + 2, 1, 1) - start).days)]
    return pl.DataFrame(
        {"Date": days, "HolDiv": [holiday_division(day) for day in days]},
        schema={"Date": pl.Date(), "HolDiv": pl.String()},
    )
