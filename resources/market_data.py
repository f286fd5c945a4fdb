"""Raw market data as a Dagster resource: typed, checked rows of one endpoint, stamped with their first fetch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.checked_rows import CheckedRows, checked_rows
from atft_pipeline.jquants.first_fetch import stamp_first_fetch
from resources.structure import structure


class MarketData(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The source of the structure, through the one path from wire rows to typed and checked rows."""

    def fetch(self, endpoint: str, start: date, end: date, held: pl.DataFrame | None) -> CheckedRows:
        """Typed rows of [start, end] with `fetched_at`; rows that are `held` unchanged keep the time they came with.

        A simulated market has no present day, so that its dates are never in the future.

        Raises:
            EndpointMissing: the source does not offer the endpoint.
            BadData: files or rows that would give wrong figures, all of them at once.
        """
        shape, now = structure(), datetime.now(UTC)
        rows = checked_rows(
            shape.source,
            endpoint,
            start,
            end,
            sessions=shape.calendar.between(start, min(end, shape.as_of)),
            latest=None if shape.settings.source.kind == "simulated" else now.astimezone(TOKYO).date(),
        )
        stamped = stamp_first_fetch(rows.typed.frame, held, now)
        return replace(rows, typed=replace(rows.typed, frame=stamped))
