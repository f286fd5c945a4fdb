"""Raw market data: one asset per J-Quants V2 endpoint, rows as received, typed and stamped with their fetch time."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.completeness_result import expected_sessions, told
from assets.stage import stage
from atft_pipeline.jquants.completeness import completeness
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from resources.io_manager import LakeResource
from resources.market_data import FetchedMonths, MarketData
from resources.structure import structure

CALENDAR = "trading_calendar"
DATED = tuple(name for name in ENDPOINTS if name != CALENDAR)


@stage(
    group="raw",
    kinds={"jquants", "polars"},
    endpoint=CALENDAR,
    date_column="Date",
)
def trading_calendar(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Every day of the period with HolDiv: sessions ("1"), half days ("2") and closed days, Tokyo time."""
    return structure().calendar_rows()


def endpoint_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """The asset of one endpoint: a month per partition, by the endpoint's date column."""

    @stage(
        name=endpoint.name,
        group="raw",
        kinds={"jquants", "polars"},
        settings=("source.kind", "source.simulator"),
        partitioned=True,
        date_column=endpoint.date_column,
        pool="jquants" if structure().settings.source.kind == "jquants" else None,
        endpoint=endpoint.name,
        description=f"`{endpoint.path}` as received, typed. Months by {endpoint.date_column}."
        f" Known {endpoint.published}.",
    )
    def rows(context: dg.AssetExecutionContext, lake: LakeResource, market_data: MarketData) -> FetchedMonths:
        return market_data.months(endpoint.name, context.partition_keys, lake.open())

    return rows


def key_check(endpoint: Endpoint) -> dg.AssetChecksDefinition:
    """Blocks what is downstream of an endpoint when its saved rows repeat a natural key."""

    @dg.asset_check(asset=endpoint.name, blocking=True, name="no_natural_key_is_repeated")
    def no_natural_key_is_repeated(lake: LakeResource) -> dg.AssetCheckResult:
        """Each natural key stands once in the saved files."""
        counts = lake.open().scan(endpoint.name).group_by(endpoint.key).len().filter(pl.col("len") > 1)
        repeated = int(counts.select(pl.col("len").sum()).collect(engine="streaming").item())
        return dg.AssetCheckResult(passed=repeated == 0, metadata={"repeated_rows": repeated})

    return no_natural_key_is_repeated


def completeness_check(endpoint: Endpoint) -> dg.AssetChecksDefinition:
    """Blocks what is downstream of an endpoint that lost rows; what may still come warns."""

    @dg.asset_check(asset=endpoint.name, blocking=True, name="nothing_is_missing")
    def nothing_is_missing(lake: LakeResource) -> dg.AssetCheckResult:
        """Every session, week or month that should have rows has them."""
        shape = structure()
        lookback = shape.settings.source.api.lookback_days
        return told(completeness(lake.open().scan(endpoint.name), endpoint, expected_sessions(shape), lookback))

    return nothing_is_missing


@dg.asset_check(asset=trading_calendar, blocking=True)
def every_day_has_one_row(lake: LakeResource) -> dg.AssetCheckResult:
    """The calendar has no gap and no day twice."""
    days = lake.open().scan(CALENDAR).collect()["Date"].sort()
    gaps = int((days.diff().drop_nulls().dt.total_days() != 1).sum())
    return dg.AssetCheckResult(passed=gaps == 0, metadata={"days": days.len(), "gaps_or_repeats": gaps})


ASSETS: Sequence[dg.AssetsDefinition] = [trading_calendar, *(endpoint_asset(ENDPOINTS[name]) for name in DATED)]
CHECKS: Sequence[dg.AssetChecksDefinition] = [
    every_day_has_one_row,
    *(make(ENDPOINTS[name]) for name in DATED for make in (key_check, completeness_check)),
]
