"""The one path from a source to typed rows: located, typed, checked, overlaps taken out.

Every source goes through it. What is found is told, not raised: a run stops over problems, `atft doctor` lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.findings import Findings, Oddity, Places, Problem
from atft_pipeline.jquants.repeated_rows import repeated_rows
from atft_pipeline.jquants.row_checks import row_oddities, row_problems
from atft_pipeline.jquants.source import LocatedRows, LocatingSource, Source
from atft_pipeline.jquants.wire import SHORT_CODE, TypedRows, to_typed

NEVER_EMPTY = ("daily_bars", "equities_master", "topix")
"""Endpoints that have rows in every period with a session."""


@dataclass(frozen=True)
class CheckedRows:
    """Typed rows and what was found in them.

    Attributes:
        typed: the rows; without rows and columns if no file could be read.
        findings: problems and oddities.
    """

    typed: TypedRows
    findings: Findings


def examine(
    source: Source, name: str, start: date, end: date, *, sessions: Sequence[date] = (), latest: date | None = None
) -> CheckedRows:
    """Typed rows of [start, end] with every problem and every oddity; nothing that is found is raised.

    Args:
        source: where they come from.
        name: the endpoint.
        start: first day.
        end: last day.
        sessions: sessions of [start, end], which should have rows.
        latest: the day after which no row can be dated; None for a market that is not bound to this world's calendar.

    Raises:
        EndpointMissing: the source does not offer the endpoint.
    """
    if isinstance(source, LocatingSource):
        rows = source.read(name, start, end)
    else:
        fetched = source.fetch(name, start, end)
        rows = LocatedRows(fetched, Places.without_files(f"source {source.name}", fetched.height), ())
    return check_located(rows, ENDPOINTS[name], source.name, sessions, latest)


def check_located(
    rows: LocatedRows, endpoint: Endpoint, source: str, sessions: Sequence[date], latest: date | None
) -> CheckedRows:
    """Rows as a source gave them, typed and checked.

    Raises:
        WireError: a source without files lacks a required column, or has one that cannot hold its values.
    """
    if rows.frame is None:
        return CheckedRows(TypedRows(pl.DataFrame(), {}, ()), Findings(rows.problems))
    frame, places, problems = _without_short_codes(rows.frame, endpoint, rows.places)
    typed = to_typed(frame, endpoint)
    keep, repeated = repeated_rows(typed.frame, places, endpoint.key)
    problems = (*rows.problems, *problems, *row_problems(typed.frame, endpoint, places, latest))
    if sessions and typed.frame.is_empty() and endpoint.name in NEVER_EMPTY and not problems:
        problems = (_nothing(endpoint, source, sessions),)
    kept = typed.frame if keep.all() else typed.frame.filter(keep)
    oddities = (*row_oddities(kept, endpoint, sessions), *_reading_oddities(typed))
    findings = Findings(problems, oddities) + repeated
    return CheckedRows(replace(typed, frame=rows.stretched(kept)), findings)


def _without_short_codes(
    frame: pl.DataFrame, endpoint: Endpoint, places: Places
) -> tuple[pl.DataFrame, Places, tuple[Problem, ...]]:
    """Rows with a code of four characters are told and left out, so that the other rows can still be checked."""
    if "Code" not in frame.columns or frame["Code"].dtype != pl.String:
        return frame, places, ()
    short = frame["Code"].str.contains(SHORT_CODE).fill_null(value=False)
    if not short.any():
        return frame, places, ()
    says, remedy = "code {} has four characters", 'Write codes with five, as V2 does: "72030", "130A0".'
    problems = tuple(
        Problem(file, "Code", row, says.format(repr(frame["Code"][at])), "five are expected", remedy, count)
        for file, at, row, count in places.of(short)
    )
    return frame.filter(~short), places.filter(~short), problems


def _nothing(endpoint: Endpoint, source: str, sessions: Sequence[date]) -> Problem:
    return Problem(
        f"source {source}",
        endpoint.date_column,
        0,
        f"no row of {endpoint.name} between {sessions[0]} and {sessions[-1]}, which hold {len(sessions)} sessions",
        "each session has rows",
        "Add the rows of that period, or shorten it (period.data_start, period.sessions, period.end).",
    )


def _reading_oddities(typed: TypedRows) -> list[Oddity]:
    failed = [Oddity(f"values of {name} that cannot be read, now null", n) for name, n in typed.failed_casts.items()]
    return [*failed, *(Oddity(f"unknown column {name}, kept as text", 1) for name in typed.unknown_columns)]
