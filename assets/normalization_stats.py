"""Per-date moments of every feature, over every features file."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.normalization.moments import date_moments
from resources.io_manager import LakeResource
from resources.structure import structure


@stage(group="normalization", kinds={"polars"})
def normalization_stats(context: dg.AssetExecutionContext, lake: LakeResource, features: pl.LazyFrame) -> pl.DataFrame:
    """One row per date and column: count, nulls, mean, M2, extremes, histogram; exact to merge for any dates."""
    stats = date_moments(features, structure().contract)
    context.add_output_metadata({"files": len(lake.open().partitions("features"))})
    return stats


@dg.asset_check(asset=normalization_stats, blocking=True)
def every_file_is_counted(lake: LakeResource) -> dg.AssetCheckResult:
    """Rows counted equal the rows of all features files, for each month by itself."""
    store = lake.open()
    stats = store.scan("normalization_stats").collect()
    counted = (
        stats.filter(pl.col("column") == structure().contract.names[0])
        .group_by(pl.col("Date").dt.strftime("%Y-%m").alias("month"))
        .agg(rows=(pl.col("count") + pl.col("null_count")).sum())
    )
    rows = dict(counted.iter_rows())
    files = {month: store.manifest("features", month) for month in store.partitions("features")}
    wrong = [month for month, manifest in files.items() if manifest is None or rows.get(month, 0) != manifest.rows]
    return dg.AssetCheckResult(passed=not wrong, metadata={"files": len(files), "months_that_differ": wrong})


ASSETS = [normalization_stats]
CHECKS = [every_file_is_counted]
