"""Where market data comes from: one protocol for the simulator, local files and the API."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

import polars as pl

from atft_pipeline.errors import EndpointMissing
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.findings import Places, Problem
from atft_pipeline.settings import Settings


class Source(Protocol):
    """A market that answers in J-Quants V2 columns.

    `calendar`, `first_session` and `last_session` are cheap: they are asked when the code location loads.
    """

    @property
    def name(self) -> str:
        """What reports call the source."""

    @property
    def stretched_master(self) -> bool:
        """Whether the master is one snapshot that is stretched over every session."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any figure must know about the source, a sentence or two each."""

    @property
    def endpoints(self) -> frozenset[str]:
        """Names of the endpoints (`ENDPOINTS`) that `fetch` answers."""

    def calendar(self) -> pl.DataFrame:
        """Every known date with its HolDiv: Date (pl.Date), HolDiv (String); ascending."""

    def first_session(self) -> date:
        """First session with bars."""

    def last_session(self) -> date:
        """Latest session with bars."""

    def fetch(self, endpoint: str, start: date, end: date) -> pl.DataFrame:
        """Wire rows whose `date_column` lies in [start, end]; no row is an empty frame with the same columns.

        Raises:
            EndpointMissing: the source does not offer this endpoint.
            SourceError: the rows cannot be had.
        """

    def fingerprint(self, endpoint: str, start: date, end: date) -> str:
        """Changes whenever `fetch` with the same arguments could return something else; cheap."""


@dataclass(frozen=True)
class LocatedRows:
    """Rows, where each of them stands, and what is wrong with the files that gave none.

    Attributes:
        frame: wire or typed rows; None if no file could be read.
        places: file and row of each.
        problems: of files and of rows that were left out.
        stands_for: sessions for each of which every row stands; None where a row stands for its own date.
    """

    frame: pl.DataFrame | None
    places: Places
    problems: tuple[Problem, ...]
    stands_for: Sequence[date] | None = None

    def stretched(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The frame, or what was made of it, once for each session that it stands for, session by session."""
        if self.stands_for is None:
            return rows
        sessions = pl.DataFrame({"Date": self.stands_for}, schema={"Date": pl.Date})
        return sessions.join(rows.drop("Date"), how="cross").select(rows.columns)


@runtime_checkable
class LocatingSource(Source, Protocol):
    """A source that can say where a row stands."""

    def read(self, endpoint: str, start: date, end: date) -> LocatedRows:
        """The rows of `fetch` with their places; problems are told, not raised."""


@runtime_checkable
class AskingSource(Source, Protocol):
    """A source whose rows are asked for first, because asking is slow and counted."""

    def update(
        self,
        endpoint: str,
        start: date,
        end: date,
        say: Callable[[str], None],
        on_progress: Callable[[str, int, int], None],
    ) -> None:
        """Ask for everything in [start, end] that is not there or can have changed; `fetch` then gives it."""


def open_source(settings: Settings) -> Source:
    """The source that the settings name.

    Raises:
        SourceError: files or a column are missing, or the API cannot be used.
    """
    # Imported here: a process loads the one source that it uses.
    if settings.source.kind == "simulated":
        from atft_pipeline.jquants.simulator import SimulatedSource

        return SimulatedSource(settings.source.simulator)
    if settings.source.kind == "files":
        from atft_pipeline.jquants.files import FilesSource

        assert settings.source.path is not None  # held by SourceSettings
        return FilesSource(settings.source.path)
    from atft_pipeline.jquants.api.source import open_api

    return open_api(settings, os.environ)


def require_offered(source: Source, endpoint: str) -> None:
    """Refuse an endpoint that the source lacks.

    Raises:
        EndpointMissing: `endpoint` is unknown, or not among `source.endpoints`.
    """
    if endpoint not in source.endpoints:
        problem = "offered by" if endpoint in ENDPOINTS else "known to"
        raise EndpointMissing(
            f"endpoint = {endpoint!r} is not {problem} source {source.name} ({', '.join(sorted(source.endpoints))}).",
            remedy="Leave out the feature families that need it (features.families), or use another source.",
        )
