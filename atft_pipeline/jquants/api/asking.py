"""Asking what is due: months as bulk files where the plan has them, everything else question by question.

Each answer is stored before the next one counts as asked, so a killed run goes on where it stopped and asks nothing
twice. Requests go out side by side, since one answer takes longer than the plan's interval; the throttle spaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from atft_pipeline.calendar import TOKYO, TradingCalendar
from atft_pipeline.errors import OutsideWindow
from atft_pipeline.jquants.api.bulk import BulkFile
from atft_pipeline.jquants.api.client import JQuantsClient, Page
from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.api.plans import FINS_PER_MINUTE, Plan
from atft_pipeline.jquants.api.questions import Question, holds_from, months_between, questions
from atft_pipeline.jquants.api.reading import require_readable_file, require_readable_pages
from atft_pipeline.jquants.api.received import Answer, Received
from atft_pipeline.jquants.api.side_by_side import side_by_side
from atft_pipeline.jquants.data_files import parse_name
from atft_pipeline.jquants.endpoints import Endpoint

Progress = Callable[[str, int, int], None]

WORTH_A_FILE = 3
"""Questions of one month that are due from which on its bulk file is fetched instead: it costs two requests."""

BYTES_PER_SECOND = 4_000_000
"""What a download is taken to reach, for the estimate."""

WORKERS = 4


@dataclass(frozen=True)
class Work:
    """What is due of one endpoint.

    Attributes:
        endpoint: whose rows.
        files: bulk files, each with the month that it answers for.
        questions: requests, each with all its pages.
    """

    endpoint: Endpoint
    files: tuple[tuple[BulkFile, Question], ...]
    questions: tuple[Question, ...]

    def __len__(self) -> int:
        return len(self.files) + len(self.questions)

    def seconds(self, plan: Plan) -> float:
        """What it will take at the plan's limit, if every answer is one page."""
        fins = self.endpoint.path.startswith("/fins/")
        per_minute = min(plan.per_minute, FINS_PER_MINUTE) if fins else plan.per_minute
        minutes = len(self.files) / plan.per_minute + len(self.questions) / per_minute
        return 60.0 * minutes + sum(file.size for file, _ in self.files) / BYTES_PER_SECOND

    def told(self, plan: Plan) -> str:
        """Such as `119 bulk files and 23 requests, about 6 min (standard: 120 requests a minute)`."""
        parts = [
            f"{count} {noun}{'s' * (count != 1)}"
            for count, noun in ((len(self.files), "bulk file"), (len(self.questions), "request"))
            if count
        ]
        limit = f"{plan.name}: {plan.per_minute} requests a minute"
        return f"{' and '.join(parts)}, about {duration(self.seconds(plan))} ({limit})"


def duration(seconds: float) -> str:
    """`40 s`, `6 min`, `2.5 h`."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"


class Asker:
    """Keeps a store of answers up to date.

    Args:
        client: of the account.
        received: where answers are kept.
        plan: the subscription.
        clock: the present.
        lookback_days: how long rows are corrected.
        workers: requests under way at a time.
    """

    def __init__(
        self,
        client: JQuantsClient,
        received: Received,
        plan: Plan,
        clock: Clock,
        lookback_days: int,
        workers: int = WORKERS,
    ) -> None:
        self._client, self._received, self._plan, self._clock = client, received, plan, clock
        self._lookback, self._workers = lookback_days, workers

    def due(self, endpoint: Endpoint, start: date, end: date, calendar: TradingCalendar) -> tuple[Question, ...]:
        """Questions about [start, end] without an answer that still holds; asks nothing."""
        latest = self._received.latest(endpoint.name)
        files = [answer for answer in latest.values() if answer.form == "bulk"]
        return tuple(
            question
            for question in questions(endpoint, start, end, calendar)
            if not self._holds(endpoint, question, latest.get(question.key))
            and not any(
                file.first <= question.first and question.last <= file.last and self._holds(endpoint, question, file)
                for file in files
            )
        )

    def work(self, endpoint: Endpoint, start: date, end: date, calendar: TradingCalendar) -> Work:
        """What is due, with months that are over as bulk files where there are such; at most one request."""
        due = self.due(endpoint, start, end, calendar)
        months = self._months_over(endpoint, due)
        listed = self._client.bulk_files(endpoint.path) if months else ()
        files: list[tuple[BulkFile, Question]] = []
        for file in listed:
            known = parse_name(file.key.rsplit("/", 1)[-1])
            if known is not None and known[1] in months:
                files.append((file, Question(file.key, *known[1], {})))
        held = [(question.first, question.last) for _, question in files]
        rest = tuple(q for q in due if not any(first <= q.first and q.last <= last for first, last in held))
        return Work(endpoint, tuple(files), rest)

    def do(self, work: Work, on_progress: Progress | None = None) -> None:
        """Ask it all.

        Raises:
            ApiError: the first refusal that no waiting mends; what was answered before is kept.
            WireError: an answer that stays unreadable, or is not what the endpoint promises; it is not kept.
        """
        for done, _ in enumerate(self._answers(work), start=1):
            if on_progress is not None:
                left = work.seconds(self._plan) * (1.0 - done / len(work))
                on_progress(f"{work.endpoint.name}, {duration(left)} left", done, len(work))

    def _answers(self, work: Work) -> Iterator[None]:
        """One step for each answer that was stored."""
        fetches = [partial(self._fetch, work.endpoint, *pair) for pair in work.files]
        asks = [partial(self._ask, work.endpoint, question) for question in work.questions]
        return side_by_side([*fetches, *asks], self._workers)

    def _fetch(self, endpoint: Endpoint, file: BulkFile, question: Question) -> None:
        at, incoming = self._clock.now(), self._received.incoming(endpoint.name, file.key)
        self._client.download(file, incoming)
        require_readable_file(incoming, file.key, endpoint)
        self._received.keep_bulk(endpoint.name, question, incoming, self._plan.name, at)

    def _ask(self, endpoint: Endpoint, question: Question) -> None:
        at = self._clock.now()
        try:
            pages = self._pages(endpoint, question)
        except OutsideWindow:
            self._received.keep_refusal(endpoint.name, question, self._plan.name, at)
            return
        require_readable_pages([page.body for page in pages], endpoint)
        self._received.keep_pages(endpoint.name, question, pages, at)

    def _pages(self, endpoint: Endpoint, question: Question) -> Sequence[Page]:
        """Pages of one answer; what the plan does not cover of a range is cut off.

        Raises:
            OutsideWindow: nothing of it is covered.
        """
        try:
            return self._client.whole(endpoint.path, question.params)
        except OutsideWindow as refusal:
            if endpoint.grain != "range" or refusal.first is None or refusal.last is None:
                raise
            first, last = max(question.first, refusal.first), min(question.last, refusal.last)
            if first > last or (first, last) == (question.first, question.last):
                raise
            return self._client.whole(endpoint.path, {"from": f"{first:%Y%m%d}", "to": f"{last:%Y%m%d}"})

    def _holds(self, endpoint: Endpoint, question: Question, answer: Answer | None) -> bool:
        """Whether an answer still stands. What the plan did not cover is asked again on another day."""
        if answer is None:
            return False
        now = self._clock.now()
        if answer.form == "outside":
            today = now.astimezone(TOKYO).date()
            return answer.plan == self._plan.name and answer.confirmed_at.astimezone(TOKYO).date() == today
        return answer.confirmed_at >= holds_from(endpoint, question.last, now, self._lookback)

    def _months_over(self, endpoint: Endpoint, due: Sequence[Question]) -> frozenset[tuple[date, date]]:
        """Whole months that are worth a file: corrections of them are over, and enough of them is due."""
        if not self._plan.bulk or endpoint.grain in ("whole", "range"):
            return frozenset()
        over = self._clock.now().astimezone(TOKYO).date() - timedelta(days=self._lookback)
        count: dict[tuple[date, date], int] = {}
        for question in due:
            first = question.first.replace(day=1)
            ((_, last),) = months_between(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
            if last < over:
                count[first, last] = count.get((first, last), 0) + 1
        return frozenset(month for month, n in count.items() if n >= WORTH_A_FILE)
