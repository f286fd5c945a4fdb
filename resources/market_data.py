"""Raw market data as a Dagster resource: typed rows of one endpoint, stamped with when they were first fetched."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.first_fetch import stamp_first_fetch
from atft_pipeline.jquants.wire import TypedRows, to_typed
from resources.structure import structure


class MarketData(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The source of the structure, through the one path from wire rows to typed rows."""

    def fetch(self, endpoint: str, start: date, end: date, held: pl.DataFrame | None) -> TypedRows:
        """Typed rows of [start, end] with `fetched_at`; rows that are `held` unchanged keep the time they came with.

        Raises:
            EndpointMissing: the source does not offer the endpoint.
        """
        rows = to_typed(structure().source.fetch(endpoint, start, end), ENDPOINTS[endpoint])
        stamped = stamp_first_fetch(rows.frame, held, datetime.now(UTC))
        return TypedRows(stamped, rows.failed_casts, rows.unknown_columns)
