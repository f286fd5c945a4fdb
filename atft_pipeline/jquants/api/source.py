"""The J-Quants API as a source: what was received, brought up to date when rows are fetched.

Opening it costs nothing. The calendar is asked once a day, since the structure of a deployment rests on it; everything
else is asked only by `update`. Rows come from the stored answers, so typing them anew needs no request.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from atft_pipeline.calendar import TOKYO, TradingCalendar
from atft_pipeline.errors import RateLimited, ServerError, WireError
from atft_pipeline.jquants.api.asking import Asker, Progress, Work, duration
from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.clock import Clock, SystemClock
from atft_pipeline.jquants.api.credentials import find_key
from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.api.questions import holds_from, questions
from atft_pipeline.jquants.api.reading import rows_of_file
from atft_pipeline.jquants.api.received import Answer, Received
from atft_pipeline.jquants.api.wire_pages import frame_of_pages
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.mixed_rows import concat_mixed
from atft_pipeline.jquants.source import require_offered
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import ApiSettings
from atft_pipeline.settings import Settings

_log = logging.getLogger(__name__)

CALENDAR = "trading_calendar"
COVERED_FROM = "covered_from"
"""The first day that the plan covered when it was first asked. The window moves on; what was received stays."""

WORTH_TELLING = 10.0
"""Seconds of a wait from which on it is logged; shorter ones are the account's usual pace."""

OLDEST_CALENDAR = timedelta(days=7)
"""How old a stored calendar may be where the API cannot be reached."""


class ApiSource:
    """J-Quants V2 under one subscription.

    Args:
        client: of the account.
        received: its store of answers.
        settings: plan and patience.
        clock: the present.
        workers: requests under way at a time.
    """

    name = "jquants"
    stretched_master = False

    def __init__(
        self, client: JQuantsClient, received: Received, settings: ApiSettings, clock: Clock, workers: int = 4
    ) -> None:
        self.client, self.received, self.clock = client, received, clock
        self.plan = PLANS[settings.plan]
        self._settings = settings
        self._asker = Asker(client, received, self.plan, clock, settings.lookback_days, workers)

    @property
    def endpoints(self) -> frozenset[str]:
        """What the plan includes."""
        return self.plan.endpoints

    @property
    def notes(self) -> tuple[str, ...]:
        """Endpoints that the plan lacks, and a calendar that could not be asked for."""
        lacking = [name for name in ENDPOINTS if name not in self.endpoints]
        said = [f"Plan {self.plan.name}: without {', '.join(lacking)}."] if lacking else []
        if self.plan.weeks_late:
            said.append(
                f"Plan {self.plan.name}: data is {self.plan.weeks_late} weeks late; the ranking is of the past."
            )
        return (*said, *([self._calendar[1]] if self._calendar[1] else []))

    def calendar(self) -> pl.DataFrame:
        """Date and HolDiv of every day that the API knows of."""
        return self._calendar[0]

    def first_session(self) -> date:
        """The first session that the plan covered when it was first asked."""
        return self._sessions.next_session(self._covered_from() - timedelta(days=1))

    def last_session(self) -> date:
        """The latest session that the plan covers and whose bars should be there by now."""
        now = self.clock.now().astimezone(TOKYO)
        closed = now.date() if now.time() >= ENDPOINTS["daily_bars"].updated_at[0] else now.date() - timedelta(days=1)
        return self._sessions.at_or_before(min(closed, self.plan.window(now.date())[1]))

    def update(self, endpoint: str, start: date, end: date, say: Callable[[str], None], on_progress: Progress) -> None:
        """Ask everything about [start, end] whose answer does not hold any more.

        Raises:
            EndpointMissing: the plan does not include the endpoint.
            ApiError: the API refused; what was answered before is kept.
        """
        work = self.work(endpoint, start, end)
        if len(work):
            say(f"{endpoint}: {work.told(self.plan)}")
            self._asker.do(work, on_progress)

    def work(self, endpoint: str, start: date, end: date) -> Work:
        """What `update` would ask."""
        require_offered(self, endpoint)
        return self._asker.work(ENDPOINTS[endpoint], start, end, self._sessions)

    def fetch(self, endpoint: str, start: date, end: date) -> pl.DataFrame:
        """Rows in [start, end] as received; of a row that was corrected the latest.

        Raises:
            EndpointMissing: the plan does not include the endpoint.
            WireError: something in [start, end] was never asked, or a stored answer is damaged.
        """
        require_offered(self, endpoint)
        table = ENDPOINTS[endpoint]
        self._require_asked(table, start, end)
        # How bulk files split what is dated by its publication is not documented: their neighbours are read too.
        around = timedelta(days=0 if table.date_column == "Date" else 31)
        answers = self.received.about(endpoint, *_widened(start, end, around))
        frames = [_between(frame, table.date_column, start, end) for frame in self._frames(table, answers)]
        rows = concat_mixed(frames) if frames else frame_of_pages([], table)
        return latest_rows(rows, table)

    def fingerprint(self, endpoint: str, start: date, end: date) -> str:
        """Changes when new rows of [start, end] can be there: at the endpoint's update times, until rows are final."""
        require_offered(self, endpoint)
        holds = holds_from(ENDPOINTS[endpoint], end, self.clock.now(), self._settings.lookback_days)
        text = f"{self._settings.base_url} {endpoint} {start} {end} {holds.isoformat()}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @cached_property
    def _sessions(self) -> TradingCalendar:
        return TradingCalendar.from_frame(self.calendar())

    @cached_property
    def _calendar(self) -> tuple[pl.DataFrame, str]:
        """The calendar, and what is to be said of it."""
        said = ""
        try:
            self._asker.do(self._asker.work(ENDPOINTS[CALENDAR], date.min, date.max, _NO_SESSIONS))
        except (ServerError, RateLimited) as error:
            held = self.received.latest(CALENDAR).get("whole")
            if held is None or self.clock.now() - held.confirmed_at > OLDEST_CALENDAR:
                raise
            said = f"Calendar: that of {held.confirmed_at:%Y-%m-%d} is used; {error.problem}"
        rows = self.fetch(CALENDAR, date.min, date.max)
        return to_typed(rows, ENDPOINTS[CALENDAR]).frame.select("Date", "HolDiv").sort("Date"), said

    def _covered_from(self) -> date:
        """Remembered at first contact, and moved back when a larger plan covers more."""
        known = self.received.fact(f"{COVERED_FROM} {self.plan.name}")
        if known is None:
            today = self.clock.now().astimezone(TOKYO).date()
            window = self.client.window() or self.plan.window(today)
            known = str(window[0])
            self.received.remember(f"{COVERED_FROM} {self.plan.name}", known)
        return date.fromisoformat(known)

    def _require_asked(self, table: Endpoint, start: date, end: date) -> None:
        """Refuse to give rows of days that were never asked: they would look like days without rows."""
        sessions = _NO_SESSIONS if table.grain == "whole" else self._sessions
        wanted = questions(table, start, end, sessions)
        answers = self.received.latest(table.name)
        held = [(answer.first, answer.last) for answer in answers.values() if answer.form == "bulk"]
        never = [
            question.key
            for question in wanted
            if question.key not in answers and not any(a <= question.first and question.last <= b for a, b in held)
        ]
        if never:
            raise WireError(
                f"{table.name}: {len(never)} of {len(wanted)} questions about {start} to {end} were never asked, the"
                f" first is {never[0]}.",
                remedy=f"Fetch them first: atft run --to {table.name}.",
            )

    def _frames(self, table: Endpoint, answers: Sequence[Answer]) -> list[pl.DataFrame]:
        """A frame for each run of pages and for each bulk file, the oldest first."""
        frames: list[pl.DataFrame] = []
        bodies: list[bytes] = []
        for answer in answers:
            if answer.form == "pages":
                bodies += self.received.bodies(answer)
                continue
            if bodies:
                frames.append(frame_of_pages(bodies, table))
                bodies = []
            frames.append(rows_of_file(self.received.folder / answer.file, answer.file))
        return [*frames, frame_of_pages(bodies, table)] if bodies else frames


def latest_rows(rows: pl.DataFrame, endpoint: Endpoint) -> pl.DataFrame:
    """One row per natural key: the one that stands last. Dates are the same in both spellings."""
    keys = [
        _day(column) if endpoint.columns[column] == "date" else pl.col(column)
        for column in endpoint.key
        if column in rows.columns
    ]
    return rows.filter(pl.struct(keys).is_last_distinct())


def open_api(settings: Settings, environ: Mapping[str, str]) -> ApiSource:
    """The source of the settings, with the key of the environment.

    Raises:
        AuthError: there is no key, or a key that cannot be used.
    """
    api, clock = settings.source.api, SystemClock()
    key = find_key(environ, api.key_file)
    client = JQuantsClient(
        api.base_url,
        key,
        api.plan,
        throttle_folder(environ),
        clock=clock,
        timeout_seconds=api.timeout_seconds,
        on_wait=_tell,
    )
    return ApiSource(client, Received(received_folder(settings)), api, clock)


def _tell(reason: str, seconds: float) -> None:
    if seconds >= WORTH_TELLING:
        _log.warning("%s: waiting %s", reason, duration(seconds))


def received_folder(settings: Settings) -> Path:
    """Where the answers of an address are kept, for every preset that asks it."""
    return settings.store / "received" / urlsplit(settings.source.api.base_url).netloc.replace(":", "-")


def throttle_folder(environ: Mapping[str, str]) -> Path:
    """Where the processes of this user share the account's limit."""
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "atft" / "throttle"


_NO_SESSIONS = TradingCalendar((date.min,))
"""For the question about the calendar itself."""


def _between(rows: pl.DataFrame, column: str, start: date, end: date) -> pl.DataFrame:
    """Rows dated in [start, end]; each distinct date is read once."""
    days = rows.select(column).unique()
    wanted = days.filter(_day(column).is_between(start, end))
    return rows if len(wanted) == len(days) else rows.filter(pl.col(column).is_in(wanted[column].implode()))


def _day(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.replace_all("-", "").str.to_date("%Y%m%d", strict=False)


def _widened(start: date, end: date, by: timedelta) -> tuple[date, date]:
    first = start - by if (start - date.min) > by else date.min
    last = end + by if (date.max - end) > by else date.max
    return first, last
