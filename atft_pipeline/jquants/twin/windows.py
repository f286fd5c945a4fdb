"""Which days a plan covers at an endpoint."""

from __future__ import annotations

from datetime import date

from starlette.exceptions import HTTPException

from atft_pipeline.jquants.api.plans import Plan
from atft_pipeline.jquants.endpoints import Endpoint
from atft_pipeline.jquants.twin.parameters import Query

REACH_AHEAD = ("trading_calendar", "equities_master")
"""Endpoints that take days to come, where the plan does not lag: up to the end of the next year."""

ANNOUNCED = "SchDate"
"""The one column of days that are asked for because they lie ahead."""


def covered(plan: Plan, endpoint: Endpoint, today: date) -> tuple[date, date]:
    """First and last day of the endpoint's date column that the plan serves."""
    first, last = plan.window(today)
    if endpoint.name in REACH_AHEAD and not plan.weeks_late:
        last = date(today.year + 1, 12, 31)
    return first, last


def check_window(plan: Plan, endpoint: Endpoint, query: Query, today: date) -> None:
    """Refuse a day that the plan does not cover.

    Raises:
        HTTPException: 400, naming the plan's window as the API does.
    """
    first, last = covered(plan, endpoint, today)
    days = [day for column, day in query.days.items() if column != ANNOUNCED]
    days += [day for day in (query.first, query.last) if day is not None]
    if any(not first <= day <= last for day in days):
        start, end = plan.window(today)
        raise HTTPException(400, f"Your subscription covers the following dates: {start} ~ {end}")
