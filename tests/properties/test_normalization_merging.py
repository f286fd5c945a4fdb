"""Merged statistics are those of one pass, for any data and any set of dates; robust z keeps what it should."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.normalization import date_moments, merge_moments, rank_gauss, robust_z

ONE = CONTRACT.select(["volatility"])
DAYS = [date(2021, 1, 1) + timedelta(days=i) for i in range(8)]
NUMBERS = st.one_of(st.none(), st.floats(-1e3, 1e3, width=32))


@settings(deadline=None, max_examples=40)
@given(
    values=st.lists(st.lists(NUMBERS, min_size=1, max_size=6), min_size=8, max_size=8),
    chosen=st.sets(st.integers(0, 7), min_size=1),
)
def test_merging_days_equals_one_pass(values: list[list[float | None]], chosen: set[int]) -> None:
    """Counts, nulls, extremes and histograms exactly; mean and M2 to rounding."""
    frame = pl.concat(
        pl.DataFrame(
            {"Date": [DAYS[i]] * len(day), "Code": [f"{1000 + k}0" for k in range(len(day))]}
            | {name: pl.Series(day, dtype=pl.Float32) for name in ONE.names}
        )
        for i, day in enumerate(values)
    )
    dates = [DAYS[i] for i in sorted(chosen, reverse=True)]
    merged = merge_moments(date_moments(frame, ONE), dates)
    one_day = frame.filter(pl.col("Date").is_in(dates)).with_columns(
        Date=pl.lit(DAYS[0]), Code=pl.int_range(pl.len()).cast(pl.String)
    )
    single = date_moments(one_day, ONE)
    for got, expected in zip(merged.iter_rows(named=True), single.iter_rows(named=True), strict=True):
        for key in ("column", "count", "null_count", "min", "max", "histogram"):
            assert got[key] == expected[key]
        if expected["count"]:
            assert got["mean"] == pytest.approx(expected["mean"], rel=1e-9, abs=1e-9)
            assert got["m2"] == pytest.approx(expected["m2"], rel=1e-9, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=60),
    shift=st.floats(-1e3, 1e3),
    factor=st.sampled_from([0.25, 2.0, 1024.0]),
    seed=st.integers(0, 2**16),
)
def test_robust_z_is_a_rank_keeping_scale_free_function(
    values: list[float], shift: float, factor: float, seed: int
) -> None:
    """Order kept, within ±5, permutation moves with the rows, units do not matter."""
    x = np.round(np.array(values), 3)[:, None]
    z = robust_z(x)
    if np.isnan(z).any():
        assert np.isnan(z).all()
        return
    assert np.abs(z).max() <= 5
    order = np.argsort(x[:, 0], kind="stable")
    assert (np.diff(z[order, 0]) >= 0).all()
    rows = np.random.default_rng(seed).permutation(len(x))
    np.testing.assert_array_equal(robust_z(x[rows]), z[rows])
    np.testing.assert_allclose(robust_z(x * factor), z, rtol=1e-9, atol=1e-9)
    gauss = rank_gauss(x)
    np.testing.assert_array_equal(rank_gauss(x * factor + np.round(shift)), gauss)
    assert (np.diff(gauss[order, 0]) >= 0).all()
