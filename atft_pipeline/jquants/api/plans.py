"""The plans of J-Quants: how often one may ask, how far back data goes, and which endpoints are served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.plan_names import PLAN_ORDER, PlanName

FINS_PER_MINUTE = 60
"""Requests a minute to fins/summary and fins/details, on every plan, inside the plan's own number."""


@dataclass(frozen=True)
class Plan:
    """What a subscription allows.

    Attributes:
        name: free, light, standard or premium.
        per_minute: requests a minute, counted over the whole account.
        years: how far back data goes.
        weeks_late: how many weeks the latest data lags behind.
        bulk: whether files of whole months can be downloaded.
    """

    name: PlanName
    per_minute: int
    years: int
    weeks_late: int
    bulk: bool

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether the plan includes the endpoint."""
        return PLAN_ORDER.index(self.name) >= PLAN_ORDER.index(endpoint.plan)

    @property
    def endpoints(self) -> frozenset[str]:
        """Names of the endpoints that the plan includes."""
        return frozenset(name for name, endpoint in ENDPOINTS.items() if self.serves(endpoint))

    def window(self, today: date) -> tuple[date, date]:
        """First and last day that the plan covers, as documented; the API's own answer is the truth."""
        last = today - timedelta(weeks=self.weeks_late)
        return years_before(last, self.years), last


def years_before(day: date, years: int) -> date:
    """The same day of an earlier year; 29 February becomes 28 February."""
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - years, day=28 if leap_day else day.day)


PLANS: Mapping[PlanName, Plan] = {
    plan.name: plan
    for plan in (
        Plan("free", per_minute=5, years=2, weeks_late=12, bulk=False),
        Plan("light", per_minute=60, years=5, weeks_late=0, bulk=True),
        Plan("standard", per_minute=120, years=10, weeks_late=0, bulk=True),
        Plan("premium", per_minute=500, years=20, weeks_late=0, bulk=True),
    )
}


def plan_of_window(first: date, last: date) -> PlanName | None:
    """The plan whose window is as long as the one that the API named; None if none is near."""
    days = (last - first).days
    near = {name: abs(days - plan.years * 365.25) for name, plan in PLANS.items()}
    name = min(near, key=near.__getitem__)
    return name if near[name] <= 31 else None
