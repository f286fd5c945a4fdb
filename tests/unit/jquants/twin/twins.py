"""Twins that the tests share, a clock that stands still, and clients without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import polars as pl

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.twin.app import Twin, build_app
from atft_pipeline.jquants.twin.faults import FaultPlan
from atft_pipeline.jquants.twin.transport import TwinTransport
from atft_pipeline.sections import SimulatorSettings

MARKET = SimulatorSettings(n_codes=40, n_sessions=100, last_session=date(2026, 10, 30))
"""Friday 2026-10-30 is the last session; margin balances become daily on the way."""

SOURCE = SimulatedSource(MARKET)
FIRST, LAST = SOURCE.first_session(), SOURCE.last_session()
KEY = {"x-api-key": "simulated-key"}


class StandingClock:
    """A clock that moves only when it is told to."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment.astimezone(UTC)

    def now(self) -> datetime:
        """Where it stands."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.moment += timedelta(seconds=seconds)


def tokyo(text: str) -> datetime:
    """A moment from `2026-10-30 20:00`, Tokyo time."""
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


def make_twin(
    *faults: str, at: str = "2026-11-02 20:00", plan: PlanName = "standard", page_rows: int = 2000
) -> tuple[Twin, StandingClock]:
    """A twin of `MARKET` and the clock in it."""
    clock = StandingClock(tokyo(at))
    return Twin(MARKET, plan, page_rows=page_rows, clock=clock, faults=FaultPlan.parse(faults)), clock


@contextmanager
def client_of(twin: Twin, **options: Any) -> Iterator[httpx.Client]:
    """A client of a twin, the key in its headers."""
    options = {"headers": KEY, "base_url": "http://twin/v2"} | options
    with httpx.Client(transport=TwinTransport(build_app(twin)), **options) as client:
        yield client


@contextmanager
def serving(*faults: str, **how: Any) -> Iterator[httpx.Client]:
    """A client of a twin that `make_twin` makes."""
    with client_of(make_twin(*faults, **how)[0]) as client:
        yield client


def rows_of(client: httpx.Client, path: str, **given: str) -> list[dict[str, Any]]:
    """Rows of every page."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = client.get(path, params=given)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["data"]
        if "pagination_key" not in page:
            return rows
        given["pagination_key"] = page["pagination_key"]


def message_of(client: httpx.Client, path: str, status: int, **given: str) -> str:
    """The message of a refusal with this status."""
    answer = client.get(path, params=given)
    assert answer.status_code == status, answer.text
    return str(answer.json()["message"])


def simulated(name: str, first: date = FIRST, last: date = LAST) -> pl.DataFrame:
    """The simulator's own rows."""
    return SOURCE.fetch(name, first, last)


def path_of(name: str) -> str:
    """Path of an endpoint."""
    return ENDPOINTS[name].path


def as_wire(frame: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    """Rows as their JSON says them, written out independently of the twin: alerts hold numbers beside tokens."""
    rows = frame.to_dicts()
    if name == "margin_alert":
        numbers = [column for column, kind in ENDPOINTS[name].columns.items() if kind == "number"]
        for row in rows:
            row |= {column: float(row[column]) for column in numbers if row[column] not in ("-", "*")}
    return rows
