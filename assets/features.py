"""The features of each stock and session, made and checked against the contract."""

from __future__ import annotations

from dataclasses import asdict

import dagster as dg
import polars as pl

from assets.stage import stage, warm
from atft_pipeline.features.compute import compute_features
from resources import display
from resources.io_manager import LakeResource
from resources.structure import structure

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
"""Rows of the table of what is wrong."""


@stage(
    group="features",
    kinds={"polars"},
    code=("features", "calendar.py"),
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
) -> pl.DataFrame:
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
        }
    )
    start, end = structure().days_of(context.partition_keys)
    return compute_features(tables, universe, contract.families, start, end).collect()


@dg.asset_check(asset=features, blocking=True)
def no_feature_family_collapsed(lake: LakeResource) -> dg.AssetCheckResult:
    """The saved files hold exactly the contract: columns, order, types, ranges, null shares, spread per day."""
    from atft_pipeline.features.schema import frame_problems

    contract = structure().contract
    frame = lake.open().scan("features").collect()
    problems = frame_problems(frame, contract, judge_from=structure().start)
    worst = pl.DataFrame([asdict(problem) for problem in problems[:SHOWN]])
    return dg.AssetCheckResult(
        passed=not problems,
        description="; ".join(f"{p.family}/{p.column}: {p.value} (limit {p.limit})" for p in problems[:5]) or None,
        metadata={
            "columns_of_the_contract": len(contract.columns),
            "columns_in_the_files": frame.width - 2,
            "problems": len(problems),
            **({"what": display.table(worst)} if problems else {}),
        },
    )


ASSETS = [features]
CHECKS = [no_feature_family_collapsed]
