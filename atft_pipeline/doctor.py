"""The state of a folder of market data: every endpoint read and checked, and what can be made from it; nothing is run.

Endpoints are read a year at a time, so that memory stays that of a year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

import polars as pl

from atft_pipeline.calendar import SESSION_DIVISIONS, TradingCalendar
from atft_pipeline.errors import AtftError, BadData
from atft_pipeline.jquants.checked_rows import check_located
from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.file_rows import bounds_of, column_problems
from atft_pipeline.jquants.files import REQUIRED, FilesSource
from atft_pipeline.jquants.findings import Findings, Problem
from atft_pipeline.needs import computable_families, require_endpoints, require_sessions, warmup_sessions
from atft_pipeline.settings import Settings

Progress = Callable[[str, int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class EndpointHealth:
    """What an endpoint's files hold.

    Attributes:
        name: the endpoint.
        files: how many there are.
        formats: of the files, such as ".csv.gz".
        rows: rows that count, overlaps taken out.
        first: date of the first row; None without rows.
        last: date of the last row.
        codes: different codes; None where the endpoint has no codes.
        traded: days with a bar that has a price; of daily_bars only.
        findings: problems and oddities.
    """

    name: str
    files: int
    formats: tuple[str, ...]
    rows: int = 0
    first: date | None = None
    last: date | None = None
    codes: int | None = None
    traded: frozenset[date] = frozenset()
    findings: Findings = field(default_factory=Findings)


@dataclass(frozen=True)
class Checkup:
    """The state of a folder.

    Attributes:
        endpoints: those with files.
        absent: endpoints without a file.
        problems: of the folder as a whole: required files that are missing, a period that is too short.
        families: feature families that can be computed.
        notes: what a reader of any figure must know about the source.
        stretched: whether the master is one snapshot.
        silent: sessions of the calendar without a bar that has a price, inside the period of the bars.
        sessions: sessions of the calendar inside that period.
        warmup: sessions that features and graphs look back on.
        wanted: sessions after the warm-up that the settings ask for; None for all there are.
    """

    endpoints: tuple[EndpointHealth, ...]
    absent: tuple[str, ...]
    problems: tuple[Problem | AtftError, ...]
    families: tuple[str, ...]
    notes: tuple[str, ...]
    stretched: bool
    silent: tuple[date, ...]
    sessions: int
    warmup: int
    wanted: int | None

    @property
    def usable(self) -> bool:
        """Whether a run can begin."""
        return not self.problems and not any(health.findings.problems for health in self.endpoints)


def check_folder(settings: Settings, latest: date, on_progress: Progress | None = None) -> Checkup:
    """Read and check every endpoint of a folder.

    Args:
        settings: source.path, and the period, families and graph that the folder should suffice for.
        latest: the day after which no row can be dated.
        on_progress: called with (label, done, total) after each year of an endpoint.

    Raises:
        SourceError: source.path is not a folder.
    """
    assert settings.source.path is not None  # the doctor is for files
    source = FilesSource.unchecked(settings.source.path)
    present = [name for name in ENDPOINTS if source.files(name)]
    health = tuple(check_endpoint(source, name, latest, on_progress) for name in present)
    lacking: list[Problem | AtftError] = [problem for name in REQUIRED if (problem := source.missing(name))]
    lacking += _refusals(require_endpoints, settings, {*present, *REQUIRED})  # required files are told apart
    empty = Checkup(
        endpoints=health,
        absent=tuple(name for name in ENDPOINTS if name not in present),
        problems=tuple(lacking),
        families=computable_families(present),
        notes=(),
        stretched=False,
        silent=(),
        sessions=0,
        warmup=warmup_sessions(settings),
        wanted=settings.period.sessions,
    )
    if any(name not in present for name in REQUIRED):
        return empty
    bars = next(one for one in health if one.name == "daily_bars")
    try:
        return _with_period(empty, source, bars, settings)
    except BadData:
        if empty.usable:
            raise
        return empty  # the files that fix the period are among those whose problems are told


def check_endpoint(source: FilesSource, name: str, latest: date, on_progress: Progress | None = None) -> EndpointHealth:
    """Read and check one endpoint, a year at a time; a snapshot is checked as it is, not stretched."""
    files = source.files(name)
    health = EndpointHealth(name, len(files), tuple(dict.fromkeys(file.form for file in files)))
    codes: set[str] | None = set() if "Code" in ENDPOINTS[name].columns else None
    years = list(_years(files, name))
    for done, (start, end) in enumerate(years, start=1):
        found = check_located(source.read_files(name, start, end), ENDPOINTS[name], source.name, (), latest)
        frame = found.typed.frame
        health = replace(health, findings=health.findings + found.findings, rows=health.rows + frame.height)
        if frame.height:
            days = frame[ENDPOINTS[name].date_column]
            known = [day for day in (health.first, health.last, days.min(), days.max()) if isinstance(day, date)]
            health = replace(health, first=min(known, default=None), last=max(known, default=None))
        if codes is not None and frame.height:
            codes |= set(frame["Code"].drop_nulls().unique().to_list())
        if name == "daily_bars" and frame.height:
            traded = frame.filter(pl.col("C").is_not_null())["Date"].unique().to_list()
            health = replace(health, traded=health.traded | frozenset(traded))
        if on_progress is not None:
            on_progress(name, done, len(years))
    return replace(health, codes=None if codes is None else len(codes))


def _years(files: Sequence[DataFile], name: str) -> Iterator[tuple[date, date]]:
    """Calendar years that the files' rows can lie in; a damaged file is met in the first of them."""
    spans = []
    for file in files:
        found = file.period
        if found is None and not column_problems(file, name):
            bounds = bounds_of(file, name)
            found = None if isinstance(bounds, Problem) else bounds
        if found is not None:
            spans.append(found)
    if not spans:
        yield date.min, date.max
        return
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    for year in range(first.year, last.year + 1):
        yield date(year, 1, 1), date(year, 12, 31)


def _refusals(rule: Callable[[Settings, T], None], settings: Settings, there: T) -> list[AtftError]:
    """What a run would say of what is there."""
    try:
        rule(settings, there)
    except AtftError as refusal:
        return [refusal]
    return []


def _with_period(checkup: Checkup, source: FilesSource, bars: EndpointHealth, settings: Settings) -> Checkup:
    """The checkup with what the calendar and the dates of the bars tell."""
    calendar = source.calendar()
    if not calendar["HolDiv"].is_in(SESSION_DIVISIONS).any() or bars.first is None or bars.last is None:
        return checkup
    first = max(bars.first, settings.period.data_start or bars.first)
    last = min(bars.last, settings.period.end or bars.last)
    sessions = TradingCalendar.from_frame(calendar).between(first, last)
    silent = tuple(day for day in sessions if day not in bars.traded)
    return replace(
        checkup,
        problems=(*checkup.problems, *_refusals(require_sessions, settings, sessions)),
        notes=source.notes,
        stretched=source.stretched_master,
        silent=silent,
        sessions=len(sessions),
    )
