"""How a check tells of rows that are missing: what was lost blocks, what may still come warns."""

from __future__ import annotations

import dagster as dg

from atft_pipeline.jquants.completeness import Completeness


def told(found: Completeness) -> dg.AssetCheckResult:
    """The check's result: holes in history are errors, everything else that lacks is a warning."""
    return dg.AssetCheckResult(
        passed=not (found.holes or found.late or found.before_the_first),
        severity=dg.AssetCheckSeverity.ERROR if found.holes else dg.AssetCheckSeverity.WARN,
        description=str(found) or None,
        metadata={"expected": found.expected, "got": found.got},
    )
