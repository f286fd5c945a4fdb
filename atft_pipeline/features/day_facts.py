"""What a saved feature table holds, day by day and column by column: enough to judge it without holding it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
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
    facts = [
        pl.len().alias("rows"),
        (pl.len() - pl.col("Code").n_unique()).alias("repeated"),
        *(fact for column in columns for fact in _facts(column)),
    ]
    parts = [rows.filter(month).group_by("Date").agg(facts).collect() for month in _spans(_days(rows), "%Y-%m")]
    return pl.concat(parts).sort("Date")


def unmatched_rows(rows: pl.LazyFrame, universe: pl.LazyFrame) -> pl.DataFrame:
    """Days on which the rows are not the universe's members, one for one; read year by year, as keys are narrow.

    Args:
        rows: Date, Code.
        universe: Date, Code, in_universe, of the same months.

    Returns:
        Date, `has_row` (True: rows of no member; False: members without a row), `rows` (how many) and `code` (the least
        of them), sorted by Date; a day without a difference is left out.
    """
    keys = ["Date", "Code"]
    there, members = rows.select(keys), universe.filter("in_universe").select(keys)
    parts: list[pl.DataFrame] = []
    for year in _spans(sorted({*_days(there), *_days(members)}), "%Y"):
        found, wanted = (side.filter(year).collect() for side in (there, members))
        for has_row, left, right in ((True, found, wanted), (False, wanted, found)):
            odd = left.join(right, on=keys, how="anti").group_by("Date").agg(rows=pl.len(), code=pl.col("Code").min())
            parts.append(odd.select("Date", pl.lit(has_row).alias("has_row"), "rows", "code"))
    return pl.concat(parts).sort("Date", "has_row")


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


def _days(rows: pl.LazyFrame) -> list[date]:
    return rows.select(pl.col("Date").unique().sort()).collect()["Date"].to_list()


def _spans(days: Sequence[date], of: str) -> list[pl.Expr]:
    """A filter for each month (`%Y-%m`) or year (`%Y`) that holds any of the days; without days, one for all rows."""
    spans = [tuple(part) for _, part in groupby(days, key=lambda day: day.strftime(of))]
    return [pl.col("Date").is_between(span[0], span[-1]) for span in spans] or [pl.lit(value=True)]


def _facts(column: Column) -> list[pl.Expr]:
    value, (low, high) = pl.col(column.name), column.valid_range
    inside = value.is_between(low, high) & value.is_not_nan()
    return [
        value.null_count().alias(f"{column.name}{NULLS}"),
        (~inside).sum().alias(f"{column.name}{OUTSIDE}"),  # null is neither inside nor outside
        value.min().alias(f"{column.name}{LOW}"),
        value.max().alias(f"{column.name}{HIGH}"),
    ]
