"""The frozen fold table: which sessions train, validate, test and are held out."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.evaluation.fold_table import FoldTable
from resources import display
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure


@stage(
    group="folds",
    kinds={"python"},
    settings=("folds", "period"),
)
def purged_folds(
    context: dg.AssetExecutionContext, settings: SettingsResource, trading_calendar: pl.LazyFrame
) -> FoldTable:
    """Dates of each purged fold. Boundaries are dates: later sessions belong to no fold until the table is cut anew."""
    from atft_pipeline.evaluation.plots import fold_timeline

    shape = structure()
    calendar = TradingCalendar.from_frame(trading_calendar.collect())
    sessions = calendar.between(shape.start, shape.as_of)
    folds = settings.load().folds
    table = FoldTable.build(sessions, sessions[: -folds.horizon], folds)
    context.add_output_metadata(
        {
            "folds": len(table.folds),
            "holdout_sessions": len(table.holdout),
            "table": display.table(table.to_frame()),
            "timeline": display.picture(fold_timeline(table)),
        }
    )
    return table


@dg.asset_check(asset=purged_folds, blocking=True)
def no_training_label_meets_a_test_label(lake: LakeResource) -> dg.AssetCheckResult:
    """Counted by a second implementation: no training interval shares a session with a held-out one."""
    overlaps = lake.open().read("purged_folds", None, FoldTable).overlaps()
    return dg.AssetCheckResult(
        passed=not overlaps, metadata={"overlaps": len(overlaps), "first": [str(o) for o in overlaps[:5]]}
    )


ASSETS = [purged_folds]
CHECKS = [no_training_label_meets_a_test_label]
