"""Which sessions should have rows, and how a check tells of those that have none: lost blocks, late warns."""

from __future__ import annotations

from datetime import date

import dagster as dg

from atft_pipeline.jquants.completeness import Completeness
from resources.structure import Structure


def expected_sessions(shape: Structure) -> list[date]:
    """Sessions of the period, but for those that the source is known to lack."""
    absent = set(shape.settings.source.absent_sessions)
    return [day for day in shape.calendar.between(shape.data_start, shape.as_of) if day not in absent]


def told(found: Completeness) -> dg.AssetCheckResult:
    """The check's result: holes in history are errors, everything else that lacks is a warning."""
    remedy = ". Get them, or name the sessions that the source will never have in source.absent_sessions"
    return dg.AssetCheckResult(
        passed=not (found.holes or found.late or found.before_the_first),
        severity=dg.AssetCheckSeverity.ERROR if found.holes else dg.AssetCheckSeverity.WARN,
        description=(str(found) + (remedy if found.holes else "")) or None,
        metadata={"expected": found.expected, "got": found.got},
    )
