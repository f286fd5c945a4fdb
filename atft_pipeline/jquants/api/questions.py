"""What is asked of the API for a range of days, and until when an answer holds.

A question is the smallest thing that is asked, remembered, and asked again. Rows are corrected for some days after
they appear, so an answer is final only when it was given after these days; until then it holds to the endpoint's next
time of day at which new rows can be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from atft_pipeline.calendar import TOKYO, TradingCalendar
from atft_pipeline.jquants.endpoints import Endpoint

MARGIN_DAILY_FROM = date(2026, 9, 25)
"""Before it balances stand at the last session of a week, from then on at every session."""


@dataclass(frozen=True)
class Question:
    """One request, all of its pages included.

    Attributes:
        key: names it among the endpoint's questions.
        first: first day that rows of the answer can be dated by.
        last: the last one.
        params: parameters of the request.
    """

    key: str
    first: date
    last: date
    params: Mapping[str, str]


def questions(endpoint: Endpoint, start: date, end: date, calendar: TradingCalendar) -> tuple[Question, ...]:
    """Everything to ask for the endpoint's rows of [start, end], in order of time.

    Args:
        endpoint: its `grain` says how it is asked.
        start: first day.
        end: last day, no later than the present.
        calendar: sessions of the range.
    """
    if endpoint.grain == "whole":
        return (Question("whole", date.min, date.max, {}),)
    if endpoint.grain == "range":
        return tuple(_between(first, last) for first, last in months_between(start, end))
    return tuple(_on(endpoint, day) for day in _asked_days(endpoint, start, end, calendar))


def holds_from(endpoint: Endpoint, last: date, now: datetime, lookback_days: int) -> datetime:
    """The moment from which on an answer to a question that ends with `last` still holds at `now`.

    The latest of the endpoint's update times up to now, but no later than `lookback_days` after `last`: an answer
    given after these days is final.

    Args:
        endpoint: its `updated_at` are times of day in Tokyo.
        last: last day of the question; `date.max` for one that never becomes final.
        now: aware.
        lookback_days: how long rows are corrected.
    """
    local = now.astimezone(TOKYO)
    if (date.max - last).days > lookback_days + 1:
        final = datetime.combine(last + timedelta(days=lookback_days + 1), datetime.min.time(), TOKYO)
        local = min(local, final)
    moments = (
        datetime.combine(day, at, TOKYO)
        for day in (local.date() - timedelta(days=1), local.date())
        for at in endpoint.updated_at
    )
    return max(moment for moment in moments if moment <= local)


def months_between(start: date, end: date) -> Iterator[tuple[date, date]]:
    """First and last day of each month in [start, end], the outer ones cut to it."""
    first = start
    while first <= end:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(following - timedelta(days=1), end)
        first = following


def _between(first: date, last: date) -> Question:
    return Question(f"{first}..{last}", first, last, {"from": f"{first:%Y%m%d}", "to": f"{last:%Y%m%d}"})


def _on(endpoint: Endpoint, day: date) -> Question:
    return Question(str(day), day, day, {endpoint.date_parameter: f"{day:%Y%m%d}"})


def _asked_days(endpoint: Endpoint, start: date, end: date, calendar: TradingCalendar) -> Sequence[date]:
    """Days that the endpoint is asked for one by one."""
    if endpoint.grain == "day":
        return [start + timedelta(days=n) for n in range((end - start).days + 1)]
    sessions = calendar.between(start, end)
    if endpoint.grain == "session":
        return sessions
    week_ends = _week_ends(calendar, start, end)
    return [day for day in sessions if day >= MARGIN_DAILY_FROM or day in week_ends]


def _week_ends(calendar: TradingCalendar, start: date, end: date) -> frozenset[date]:
    """The last session of each calendar week that reaches into [start, end]."""
    around = calendar.between(start, end + timedelta(days=7))
    weeks = groupby(around, key=lambda day: day.isocalendar()[:2])
    return frozenset(list(week)[-1] for _, week in weeks)
