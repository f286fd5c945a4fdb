"""Columns as the API has them for a plan and at a time; rows themselves stay as they are."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.api.plans import Plan
from atft_pipeline.jquants.endpoints import Endpoint

MARGIN_COLUMNS_CHANGED = datetime(2026, 9, 28, tzinfo=TOKYO)
"""From here on margin-interest has PubDate first, IssType after Code, and values; 16 columns instead of 9."""

MARGIN_COLUMNS_BEFORE = (
    "Date", "Code", "ShrtVol", "LongVol", "ShrtNegVol", "LongNegVol", "ShrtStdVol", "LongStdVol", "IssType",
)  # fmt: skip

SESSION_COLUMNS = (
    "MO", "MH", "ML", "MC", "MUL", "MLL", "MVo", "MVa", "AO", "AH", "AL", "AC", "AUL", "ALL", "AVo", "AVa",
)  # fmt: skip


def as_served(rows: pl.DataFrame, endpoint: Endpoint, plan: Plan, now: datetime) -> pl.DataFrame:
    """Rows with the columns that the API gives on this plan at this time, in its order.

    Bars carry morning and afternoon columns on Premium; on other plans those are absent, not null. Prices after
    adjustment (AdjO and the like) and MktCap are not simulated.
    """
    if endpoint.name == "daily_bars" and plan.name == "premium":
        return _with_sessions(rows).select(
            column for column in endpoint.columns if column in _PREMIUM | {*rows.columns}
        )
    if endpoint.name == "margin_interest" and now < MARGIN_COLUMNS_CHANGED:
        return rows.select(MARGIN_COLUMNS_BEFORE)
    return rows


_PREMIUM = frozenset(SESSION_COLUMNS)


def _with_sessions(rows: pl.DataFrame) -> pl.DataFrame:
    """Each day parted in two: the morning turns at the middle of the day's range, where the afternoon begins.

    The morning reaches the day's high, the afternoon its low; half of the volume is traded in each.
    """
    middle = ((pl.col("H") + pl.col("L")) / 2).floor()
    turn = pl.max_horizontal(middle, "L").alias("turn")  # a range of less than a yen has its middle below the low
    morning = (pl.col("Vo") / 200).floor() * 100
    return (
        rows.with_columns(turn, morning.alias("MVo"), (pl.col("Va") / 2).floor().alias("MVa"))
        .with_columns(
            MO="O",
            MH="H",
            ML=pl.min_horizontal("O", "turn"),
            MC="turn",
            MUL=pl.lit("0"),
            MLL=pl.lit("0"),
            AO="turn",
            AH=pl.max_horizontal("turn", "C"),
            AL="L",
            AC="C",
            AUL="UL",
            ALL="LL",
            AVo=pl.col("Vo") - pl.col("MVo"),
            AVa=pl.col("Va") - pl.col("MVa"),
        )
        .drop("turn")
    )
