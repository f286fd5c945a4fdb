"""The features of each stock and session, made and checked against the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from assets.stage import stage, warm
from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import Contract
from atft_pipeline.features.lineage import recorded_lineage
from resources import display
from resources.io_manager import LakeResource
from resources.months import PartByPart
from resources.structure import structure

if TYPE_CHECKING:
    from atft_pipeline.features.schema import Problem

INPUTS = (
    "daily_bars",
    "topix",
    "investor_types",
    "margin_interest",
    "margin_alert",
    "short_ratio",
    "short_sale_report",
    "financial_summaries",
    "earnings_dates",
    "universe",
)
SHOWN = 40
"""Rows of the table of what moved."""

COMPARED_MONTHS = 6
"""Latest months that are compared with the last statistics."""


@stage(
    group="features",
    kinds={"polars"},
    settings=("features",),
    partitioned=True,
    ins={name: warm(name) for name in INPUTS},
)
def features(
    context: dg.AssetExecutionContext,
    trading_calendar: pl.LazyFrame,
    daily_bars: pl.LazyFrame,
    topix: pl.LazyFrame,
    investor_types: pl.LazyFrame,
    margin_interest: pl.LazyFrame,
    margin_alert: pl.LazyFrame,
    short_ratio: pl.LazyFrame,
    short_sale_report: pl.LazyFrame,
    financial_summaries: pl.LazyFrame,
    earnings_dates: pl.LazyFrame,
    universe: pl.LazyFrame,
) -> PartByPart:
    """One row per stock in the universe and session: the contract's columns, float32, raw, known at its close."""
    tables = {
        "trading_calendar": trading_calendar,
        "daily_bars": daily_bars,
        "topix": topix,
        "investor_types": investor_types,
        "margin_interest": margin_interest,
        "margin_alert": margin_alert,
        "short_ratio": short_ratio,
        "short_sale_report": short_sale_report,
        "financial_summaries": financial_summaries,
        "earnings_dates": earnings_dates,
    }
    contract = structure().contract
    context.add_output_metadata(
        {
            "columns": len(contract.columns),
            "families": list(contract.families),
            "families_switched_off": list(structure().switched_off),
            "contract": contract.hash,
            "dagster/column_lineage": column_lineage(contract),
        }
    )

    def make(months: Sequence[str]) -> pl.DataFrame:
        from atft_pipeline.features.schema import validated

        start, end = structure().days_of(months)
        return validated(compute_features(tables, universe, contract.families, start, end).collect(), contract)

    members = universe.filter("in_universe").group_by(month=pl.col("Date").dt.strftime("%Y-%m")).len().collect()
    return PartByPart(context.partition_keys, dict(members.iter_rows()), make)


def column_lineage(contract: Contract) -> dg.TableColumnLineage:
    """Each feature's input columns, as Dagster draws them."""
    known = recorded_lineage()
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(dg.AssetKey(table), column)
                for table, columns in known[name].items()
                for column in columns
            ]
            for name in contract.names
        }
    )


@dg.asset_check(asset=features, blocking=True)
def no_feature_family_collapsed(lake: LakeResource) -> dg.AssetCheckResult:
    """Each saved file is exactly the contract, and they hold the universe: form, rows, ranges, null shares, spread."""
    from atft_pipeline.features.day_facts import day_facts, null_share
    from atft_pipeline.features.plots import null_share_map
    from atft_pipeline.features.schema import frame_problems, sound_columns

    contract, store = structure().contract, lake.open()
    saved, files = store.scan("features"), store.forms("features")
    universe = store.scan("universe", list(files))
    sound = sound_columns(files.values(), contract)
    facts = day_facts(saved, sound) if sound else None
    problems = frame_problems(saved, contract, facts, judge_from=structure().start, files=files, universe=universe)
    shares = null_share(facts, contract) if facts is not None and len(sound) == len(contract.columns) else None
    return dg.AssetCheckResult(
        passed=not problems,
        description="; ".join(map(str, problems[:5])) or None,
        metadata={
            "columns_of_the_contract": len(contract.columns),
            "columns_in_the_files": len(saved.collect_schema()) - 2,
            "problems": len(problems),
            **(_told(problems) if problems else {}),
            **({"null_share": display.picture(null_share_map(shares))} if shares is not None else {}),
        },
    )


def _told(problems: Sequence[Problem]) -> dict[str, dg.MarkdownMetadataValue]:
    """Every problem, and before them how many columns of which family break which rule."""
    each = pl.DataFrame([asdict(problem) for problem in problems])
    families = each.group_by("family", "rule", maintain_order=True).agg(columns=pl.len())
    return {"families": display.table(families), "what": display.table(each)}


@dg.asset_check(asset=features)
def values_stayed_as_they_were(lake: LakeResource) -> dg.AssetCheckResult:
    """Where the last statistics know a day, the new files hold about the same nulls, mean and spread; it warns."""
    from atft_pipeline.features.drift import drifted
    from atft_pipeline.features.schema import sound_columns
    from atft_pipeline.normalization.moments import date_moments

    store, contract = lake.open(), structure().contract
    lost = len(contract.columns) - len(sound_columns(store.forms("features").values(), contract))
    if lost:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{lost} columns are not as the contract says and cannot be compared",
        )
    if store.manifest("normalization_stats") is None:
        return dg.AssetCheckResult(passed=True, metadata={"compared_days": 0})
    before = store.scan("normalization_stats").collect()
    latest = store.partitions("features")[-COMPARED_MONTHS:]
    moved = drifted(date_moments(store.scan("features", latest), contract), before)
    return dg.AssetCheckResult(
        passed=moved.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=None if moved.is_empty() else f"{moved['column'].n_unique()} columns, first {moved['column'][0]}",
        metadata={"columns_and_months": moved.height, **({"what": display.table(moved[:SHOWN])} if len(moved) else {})},
    )


ASSETS = [features]
CHECKS = [no_feature_family_collapsed, values_stayed_as_they_were]
