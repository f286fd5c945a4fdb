"""Robust z, normal scores and targets of a day: hand cases, oracles, and days that say too little."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.normalization import normalize_cross_section, normalize_target, rank_gauss, robust_z

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    """One day's values of one column."""
    return np.array(values, dtype=np.float64)[:, None]


def test_robust_z_by_hand() -> None:
    """Median 2, deviations 1, 0, 1, 98: MAD 1; the outlier stops at 5."""
    z = robust_z(column(1, 2, 3, 100, 2), min_stocks=5).ravel()
    np.testing.assert_allclose(z, [-1 / 1.4826, 0, 1 / 1.4826, 5, 0])


def test_robust_z_against_scipy() -> None:
    """Any table: scipy's median_abs_deviation, column by column, NaN left out."""
    rng = np.random.default_rng(0)
    x = rng.standard_t(3, (60, 5)) * 10.0 ** np.arange(-3, 2)
    x[rng.random(x.shape) < 0.2] = NAN
    expected = (x - np.nanmedian(x, axis=0)) / (1.4826 * stats.median_abs_deviation(x, axis=0, nan_policy="omit"))
    np.testing.assert_allclose(robust_z(x), np.clip(expected, -5, 5))


def test_fallback_where_half_of_the_values_are_equal() -> None:
    """MAD 0: the deviation of the values winsorized at 1% and 99% instead."""
    x = np.concatenate([np.zeros(60), np.arange(1.0, 41.0)])[:, None]
    known = np.clip(x[:, 0], *np.quantile(x[:, 0], [0.01, 0.99]))
    np.testing.assert_allclose(robust_z(x)[:, 0], np.minimum(x[:, 0] / known.std(), 5))


def test_no_spread_or_too_few_stocks_is_unknown() -> None:
    """Equal values, and 19 stocks: no z, not 0."""
    rng = np.random.default_rng(1)
    assert np.isnan(robust_z(np.full((30, 1), 0.1))).all()
    assert np.isnan(robust_z(rng.normal(size=(19, 2)))).all()
    assert np.isfinite(robust_z(rng.normal(size=(20, 2)))).all()
    assert np.isnan(rank_gauss(rng.normal(size=(19, 2)))).all()
    assert robust_z(np.empty((0, 3))).shape == (0, 3)


def test_rank_gauss_by_hand_and_against_scipy() -> None:
    """Ranks 1, 2.5, 2.5, 4 of four; all equal are in the middle."""
    z = rank_gauss(column(-7, 1, 1, 9), min_stocks=4).ravel()
    np.testing.assert_allclose(z, stats.norm.ppf([0.125, 0.5, 0.5, 0.875]), atol=1e-15)
    np.testing.assert_array_equal(rank_gauss(np.full((20, 1), 3.0)), 0.0)
    x = np.random.default_rng(2).integers(0, 9, (40, 3)).astype(float)
    np.testing.assert_allclose(rank_gauss(x), stats.norm.ppf((stats.rankdata(x, axis=0) - 0.5) / 40), atol=1e-12)


def test_infinite_is_unknown() -> None:
    """An infinity must not become the maximum."""
    x = np.random.default_rng(3).normal(size=(30, 1))
    x[4] = np.inf
    for function in (robust_z, rank_gauss):
        z = function(x)
        assert np.isnan(z[4, 0])
        np.testing.assert_array_equal(np.delete(z, 4, axis=0), function(np.delete(x, 4, axis=0)))


@pytest.fixture
def frame() -> pl.DataFrame:
    """Three days of 40 stocks with all columns; market columns equal within a day."""
    rng = np.random.default_rng(4)
    days = [date(2021, 1, d) for d in (4, 5, 6)]
    keys = pl.DataFrame({"Date": days}).join(pl.DataFrame({"Code": [f"{1300 + i}0" for i in range(40)]}), how="cross")
    columns = {}
    for c in CONTRACT.columns:
        values = rng.normal(size=120) if c.scope != "market" else rng.normal(size=3).repeat(40)
        values = (values > 0).astype(float) if c.kind == "flag" else values
        values[rng.random(120) < 0.1] = NAN
        columns[c.name] = pl.Series(values.astype(np.float32)).fill_nan(None)
    return keys.with_columns(**columns)


def test_each_kind_is_treated_as_the_contract_says(frame: pl.DataFrame) -> None:
    """Cross-section kinds per day; flags and time series as they came; nulls at the same places."""
    done = normalize_cross_section(frame.sample(fraction=1.0, shuffle=True, seed=1), CONTRACT)
    assert done.columns == frame.columns
    assert done.schema == frame.schema
    for c in CONTRACT.columns:
        assert done[c.name].is_null().equals(frame[c.name].is_null()), c.name
        if c.kind in ("time_series", "flag"):
            assert done[c.name].equals(frame[c.name]), c.name
            continue
        transform = robust_z if c.kind == "robust_z" else rank_gauss
        for start in (0, 40, 80):
            day = frame[c.name].slice(start, 40).cast(pl.Float64).to_numpy()[:, None]
            got = done[c.name].slice(start, 40).to_numpy()
            np.testing.assert_allclose(got, transform(day)[:, 0].astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("family", ["market", "events", "alpha158"])
def test_a_single_family_can_be_normalized(frame: pl.DataFrame, family: str) -> None:
    """Some have no column of one kind, or of any: what is there comes out as with all the others."""
    few = CONTRACT.select([family])
    done = normalize_cross_section(frame.select("Date", "Code", *few.names), few)
    assert done.equals(normalize_cross_section(frame, CONTRACT).select("Date", "Code", *few.names), null_equal=True)


def test_a_day_knows_nothing_of_other_days(frame: pl.DataFrame) -> None:
    """Poison the other days: not a bit changes."""
    day = date(2021, 1, 5)
    numbers = [c.name for c in CONTRACT.columns]
    poisoned = frame.with_columns(
        pl.when(pl.col("Date") == day).then(name).otherwise(pl.lit(1e9, dtype=pl.Float32)).alias(name)
        for name in numbers
    )
    kept = pl.col("Date") == day
    assert (
        normalize_cross_section(frame, CONTRACT)
        .filter(kept)
        .equals(normalize_cross_section(poisoned, CONTRACT).filter(kept))
    )


def test_no_input_is_zero_throughout(frame: pl.DataFrame) -> None:
    """A z-score within one stock's slice would be 0 everywhere; over the day's stocks it is not."""
    done = normalize_cross_section(frame, CONTRACT)
    for c in CONTRACT.of(kinds=["robust_z", "rank_gauss"]):
        spread = done.group_by("Date").agg(pl.col(c.name).std())[c.name]
        assert (spread > 0.5).all(), c.name


def test_missing_columns_are_refused(frame: pl.DataFrame) -> None:
    """A frame of fewer columns belongs to another contract."""
    with pytest.raises(ContractError, match=f"lacks 1 of {len(CONTRACT.columns)} columns: beta_60"):
        normalize_cross_section(frame.drop("beta_60"), CONTRACT)


def test_target_has_mean_zero_and_deviation_one() -> None:
    """Robust z, cut at 3, standardized again; unknown returns take no part and stay unknown."""
    y = np.random.default_rng(6).standard_t(2, (4, 50)) * 0.03
    y[0, :5] = NAN
    y[3, 19:] = NAN
    z = normalize_target(y)
    np.testing.assert_allclose(np.nanmean(z[:3], axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(z[:3], axis=1), 1)
    assert np.isnan(z[0, :5]).all()
    assert np.isnan(z[3]).all()  # 19 known returns
    expected = robust_z(y[1][:, None], clip=3)[:, 0]
    np.testing.assert_allclose(z[1], (expected - expected.mean()) / expected.std())
    np.testing.assert_array_equal(normalize_target(y[1]), z[1])
    without = normalize_target(y[0, 5:])
    np.testing.assert_allclose(z[0, 5:], without)
