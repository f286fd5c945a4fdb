"""The stationary bootstrap: determinism, block lengths, coverage."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import (
    bootstrap_bounds,
    mean_block,
    resampled_mean,
    resampled_sharpe,
    stationary_bootstrap,
)


def test_mean_block_is_twice_the_horizon_but_twenty_at_least() -> None:
    assert [mean_block(h) for h in (1, 5, 10, 20)] == [20, 20, 20, 40]


def test_same_seed_same_rows_and_another_seed_others() -> None:
    rows = stationary_bootstrap(100, 20, 50, seed=1)
    assert np.array_equal(rows, stationary_bootstrap(100, 20, 50, seed=1))
    assert not np.array_equal(rows, stationary_bootstrap(100, 20, 50, seed=2))
    assert rows.shape == (50, 100)
    assert rows.min() == 0
    assert rows.max() == 99


def test_rows_run_on_around_the_circle_with_the_wanted_mean_length() -> None:
    rows = stationary_bootstrap(200, 20, 500, seed=3)
    continues = (rows[:, 1:] - rows[:, :-1]) % 200 == 1
    # a fresh start continues by chance once in 200
    assert 1 - continues.mean() == pytest.approx(1 / 20 * (1 - 1 / 200), abs=0.002)


def test_every_session_is_drawn_equally_often() -> None:
    counts = np.bincount(stationary_bootstrap(50, 10, 4000, seed=4).ravel(), minlength=50)
    assert counts == pytest.approx(np.full(50, 4000), rel=0.12)


def test_interval_of_the_mean_covers_the_truth_for_dependent_series() -> None:
    random = np.random.default_rng(5)
    covered = []
    for trial in range(200):
        series = np.convolve(random.standard_normal(504), np.ones(5), "valid")
        low, high = bootstrap_bounds(series, resampled_mean, horizon=5, samples=300, seed=trial)
        covered.append(low <= 0.0 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_missing_sessions_are_left_out_of_both_statistics() -> None:
    series = np.array([[1.0, np.nan, 3.0], [2.0, 2.0, np.nan]])
    assert resampled_mean(series).tolist() == [2.0, 2.0]
    sharpe = resampled_sharpe(series)
    assert sharpe[0] == pytest.approx(2.0 / np.sqrt(2.0))


def test_columns_are_resampled_together() -> None:
    series = np.arange(40.0)
    both = np.stack([series, series + 1.0], axis=1)
    bounds = bootstrap_bounds(both, lambda x: resampled_mean(x[:, :, 1] - x[:, :, 0]), horizon=1, samples=100, seed=0)
    assert bounds == pytest.approx((1.0, 1.0))


def test_a_series_without_any_value_has_no_bounds() -> None:
    assert np.isnan(bootstrap_bounds(np.full(30, np.nan), resampled_mean, horizon=1, samples=100, seed=0)).all()


def test_an_empty_series_is_refused() -> None:
    with pytest.raises(EvaluationError, match="length = 0"):
        stationary_bootstrap(0, 20, 10, seed=0)
