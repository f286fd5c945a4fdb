"""What a saved feature table holds, day by day and column by column: enough to judge it without holding it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import polars as pl

from atft_pipeline.features.column import Column
from atft_pipeline.features.contract import Contract

NULLS, OUTSIDE, LOW, HIGH = ":nulls", ":outside", ":low", ":high"


def day_facts(rows: pl.LazyFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Facts of each day; read month by month, so that memory never holds the whole history.

    Args:
        rows: Date, Code and the columns.
        columns: of the contract, those that the table holds with the right type.

    Returns:
        Date, `rows`, `repeated` (rows whose Code stands there before), and for each column `:nulls`, `:outside` (values
        out of the contract's range or not a number), `:low` and `:high`; sorted by Date.
    """
    days = rows.select(pl.col("Date").unique().sort()).collect()["Date"].to_list()
    months = [tuple(part) for _, part in groupby(days, key=lambda day: (day.year, day.month))]
    facts = [
        pl.len().alias("rows"),
        (pl.len() - pl.col("Code").n_unique()).alias("repeated"),
        *(fact for column in columns for fact in _facts(column)),
    ]
    within = [pl.col("Date").is_between(month[0], month[-1]) for month in months] or [pl.lit(value=True)]
    parts = [rows.filter(part).group_by("Date").agg(facts).collect() for part in within]
    return pl.concat(parts).sort("Date")


def null_share(facts: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Share of nulls by month and family: month, then a column per family of the contract."""
    counted = facts.group_by(pl.col("Date").dt.to_string("%Y-%m").alias("month")).agg(
        pl.col("rows").sum(), *(pl.col(f"{name}{NULLS}").sum() for name in contract.names)
    )
    families = {
        family: [f"{column.name}{NULLS}" for column in contract.columns if column.family == family]
        for family in contract.families
    }
    shares = [
        (pl.sum_horizontal(names) / (pl.col("rows") * len(names))).alias(family) for family, names in families.items()
    ]
    return counted.select("month", *shares).sort("month")


def _facts(column: Column) -> list[pl.Expr]:
    value, (low, high) = pl.col(column.name), column.valid_range
    inside = value.is_between(low, high) & value.is_not_nan()
    return [
        value.null_count().alias(f"{column.name}{NULLS}"),
        (~inside).sum().alias(f"{column.name}{OUTSIDE}"),  # null is neither inside nor outside
        value.min().alias(f"{column.name}{LOW}"),
        value.max().alias(f"{column.name}{HIGH}"),
    ]
