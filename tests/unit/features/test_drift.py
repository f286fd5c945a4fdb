"""What moved since the last statistics is told, column and month; what a revision does is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features.drift import DAY, MEAN, NULL_SHARE, SPREAD, drifted
from atft_pipeline.normalization.moments import date_moments
from tests.unit.cache.world import CONTRACT

N_DAYS, N_STOCKS = 40, 50
DAYS = [date(2024, 3, 1) + timedelta(days=i) for i in range(N_DAYS)]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Every column drawn anew on every day, around the day's own level."""
    rng = np.random.default_rng(2)
    keys = pl.DataFrame({"Date": DAYS}).join(
        pl.DataFrame({"Code": [f"{1300 + i}0" for i in range(N_STOCKS)]}), how="cross"
    )
    values = {
        name: (rng.normal(size=(N_DAYS, N_STOCKS)) + 0.3 * rng.normal(size=(N_DAYS, 1))).ravel().astype(np.float32)
        for name in CONTRACT.names
    }
    return keys.with_columns(**{name: pl.Series(array) for name, array in values.items()})


def moved(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    return drifted(date_moments(now, CONTRACT), date_moments(before, CONTRACT))


Change = Callable[[pl.DataFrame], pl.DataFrame]
FIRST = pl.col("Code") == "13000"
QUIET: dict[str, Change] = {
    "nothing": lambda f: f,
    "one stock is revised": lambda f: f.with_columns(pl.when(FIRST).then(pl.col("day") + 1.0).otherwise("day")),
    "one stock is gone": lambda f: f.filter(~FIRST),
    "a week is revised": lambda f: f.with_columns(
        pl.when(pl.col("Date") < DAYS[7]).then(pl.col("day") + 0.5).otherwise("day")
    ),
    "days that were not there": lambda f: f.filter(pl.col("Date") > DAYS[5]),
}


@pytest.mark.parametrize("change", QUIET.values(), ids=QUIET)
def test_a_revision_is_not_told(frame: pl.DataFrame, change: Change) -> None:
    assert moved(change(frame), frame).is_empty()
    assert moved(frame, change(frame)).is_empty()


LOUD: dict[str, tuple[Change, set[str]]] = {
    "percent": (lambda f: f.with_columns(pl.col("day") * 100), {"spread", "day"}),
    "another level": (lambda f: f.with_columns(pl.col("day") + 3), {"mean", "day"}),
    "a tenth is null": (lambda f: f.with_columns(pl.when(pl.col("Code") >= "13050").then("day")), {"nulls"}),
    "a like column under its name": (lambda f: f.with_columns(day="night"), {"day"}),
}
"""What is done to the column `day`, and the limits that it must break."""


@pytest.mark.parametrize(("change", "limits"), LOUD.values(), ids=LOUD)
def test_what_moved_is_told_by_month(frame: pl.DataFrame, change: Change, limits: set[str]) -> None:
    found = moved(change(frame), frame)
    assert found.select("column", "month").sort("month").rows() == [("day", "2024-03"), ("day", "2024-04")]
    broken = found.select(
        nulls=(pl.col("null_share") - pl.col("null_share_before")).abs() > NULL_SHARE,
        mean=pl.col("mean_change").abs() > MEAN,
        spread=~pl.col("spread_change").is_between(1 / SPREAD, SPREAD),
        day=pl.col("day_change") > DAY,
    )
    for row in broken.to_dicts():
        assert limits <= {name for name, is_broken in row.items() if is_broken}


def test_a_like_column_is_told_by_its_days_alone(frame: pl.DataFrame) -> None:
    """Its months look the same: every limit but the day's is kept, so the day's says how bad it is."""
    found = moved(frame.with_columns(day="night"), frame)
    assert (found["worst"] == found["day_change"] / DAY).all()
    assert found["mean_change"].abs().max() < MEAN  # type: ignore[operator]
