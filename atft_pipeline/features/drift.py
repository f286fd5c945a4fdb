"""How a feature table differs from the one before it, on the days that both hold."""

from __future__ import annotations

import polars as pl

NULL_SHARE, MEAN, SPREAD = 0.05, 0.5, 2.0
"""Changes of a month that are told: of the null share; of the mean, in standard deviations; of the deviation, as a
factor."""

DAY = 0.05
"""A change of the middle day's mean or deviation that is told, in standard deviations of the month. A revision touches
few days and few stocks; under another column's name every day is another, however alike the two columns are."""

CHANGES = ("mean_change", "spread_change", "day_change")


def drifted(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Columns and months whose values moved further than the limits, the worst first.

    Days that one of the tables lacks take no part, nor do months in which a column has no value in one of them, but for
    the null share. A revision of raw data moves little; a changed unit, join or clock moves much.

    Args:
        now: `date_moments` of the new table.
        before: `date_moments` of the table before.

    Returns:
        column, month, null_share_before, null_share, mean_change (in standard deviations before), spread_change
        (factor), day_change (median over the days, of mean or deviation, in standard deviations before), worst (the
        largest of the four, each as a multiple of its limit); no row if nothing drifted.
    """
    keys = ["column", "Date"]
    old = _by_month(before.join(now.select(keys), on=keys, how="semi"))
    new = _by_month(now.join(before.select(keys), on=keys, how="semi"))
    both = new.join(old, on=["column", "month"], suffix="_before").join(
        _middle_day(now, before), on=["column", "month"]
    )
    spread = (pl.col("deviation") / pl.col("deviation_before")).log().abs().exp()
    changes = both.with_columns(
        mean_change=(pl.col("mean") - pl.col("mean_before")) / pl.col("deviation_before"),
        spread_change=pl.col("deviation") / pl.col("deviation_before"),
        day_change=pl.col("day_change") / pl.col("deviation_before"),
    ).with_columns(
        worst=pl.max_horizontal(
            (pl.col("null_share") - pl.col("null_share_before")).abs() / NULL_SHARE,
            pl.col("mean_change").abs() / MEAN,
            spread / SPREAD,
            pl.col("day_change") / DAY,
        )
    )
    return (
        changes.filter(pl.col("worst") > 1.0)
        .select("column", "month", "null_share_before", "null_share", *CHANGES, "worst")
        .sort("worst", "column", "month", descending=[True, False, False])
    )


def _middle_day(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """By how much mean or deviation, whichever more, differ on the median day of each column and month."""
    deviation = (pl.col("m2") / pl.col("count")).sqrt().fill_nan(None)
    new, old = (moments.select("column", "Date", "mean", deviation=deviation) for moments in (now, before))
    days = new.join(old, on=["column", "Date"], suffix="_before")
    changes = [(pl.col(name) - pl.col(f"{name}_before")).abs() for name in ("mean", "deviation")]
    return days.group_by("column", _month()).agg(day_change=pl.max_horizontal(changes).median())


def _by_month(moments: pl.DataFrame) -> pl.DataFrame:
    """Null share, mean and standard deviation of each column and month; null without values or without spread."""
    count = pl.col("count").cast(pl.Float64)
    mean = (count * pl.col("mean")).sum() / count.sum()
    m2 = pl.col("m2").sum() + (count * (pl.col("mean") - mean) ** 2).sum()
    deviation = (m2 / count.sum()).sqrt()
    nulls = pl.col("null_count").sum()
    return (
        moments.group_by("column", _month())
        .agg(null_share=nulls / (nulls + pl.col("count").sum()), mean=mean, deviation=deviation)
        .with_columns(
            pl.when(pl.col("deviation") > 0.0).then("deviation").alias("deviation"),
            pl.col("mean").fill_nan(None),
        )
    )


def _month() -> pl.Expr:
    return pl.col("Date").dt.to_string("%Y-%m").alias("month")
