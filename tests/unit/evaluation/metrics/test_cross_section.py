"""Metrics of one day: written-out values, scipy as oracle, days without spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from atft_pipeline.evaluation.metrics import (
    information_coefficient,
    is_constant,
    rank_ic,
    ranks,
    residual_rank_ic,
    robust_z,
    scale,
)

NAN = math.nan


def test_perfect_forecast_and_its_negation() -> None:
    returns = np.array([0.05, -0.02, 0.00, 0.01])
    assert rank_ic(returns, returns) == pytest.approx(1.0)
    assert rank_ic(np.exp(returns), returns) == pytest.approx(1.0)
    assert rank_ic(-returns, returns) == pytest.approx(-1.0)
    assert information_coefficient(returns, returns) == pytest.approx(1.0)


def test_average_ranks_written_out() -> None:
    assert ranks([3.0, 1.0, 3.0, NAN, -2.0]).tolist()[:3] == [3.5, 2.0, 3.5]
    assert ranks([3.0, 1.0, 3.0, NAN, -2.0])[4] == 1.0
    assert np.isnan(ranks([3.0, 1.0, 3.0, NAN, -2.0])[3])


def test_rank_ic_with_ties_written_out() -> None:
    """Ranks of the score 1.5, 1.5, 3 and of the target 1, 2, 3: covariance 1.5, variances 1.5 and 2."""
    assert rank_ic([1.0, 1.0, 2.0], [0.1, 0.2, 0.3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2.0))


def test_panel_equals_scipy_day_by_day_with_missing_values() -> None:
    random = np.random.default_rng(3)
    score, target = np.round(random.standard_normal((2, 30, 40)), 1)
    score[random.random(score.shape) < 0.1] = NAN
    target[random.random(target.shape) < 0.1] = NAN
    for day, (found_rank, found) in enumerate(
        zip(rank_ic(score, target), information_coefficient(score, target), strict=True)
    ):
        both = np.isfinite(score[day]) & np.isfinite(target[day])
        assert found_rank == pytest.approx(stats.spearmanr(score[day][both], target[day][both]).statistic, abs=1e-12)
        assert found == pytest.approx(stats.pearsonr(score[day][both], target[day][both]).statistic, abs=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3e5, 1e-30])
def test_constant_scores_have_no_correlation_and_are_known_as_constant(constant: float) -> None:
    score = np.full((1, 37), constant)
    target = np.arange(37.0)[None]
    assert np.isnan(rank_ic(score, target)).all()
    assert np.isnan(information_coefficient(score, target)).all()
    assert is_constant(score).all()
    assert not is_constant(target).any()


def test_an_empty_day_is_unknown_not_constant() -> None:
    empty = np.full((1, 5), NAN)
    assert np.isnan(rank_ic(empty, empty)).all()
    assert not is_constant(empty).any()


def test_infinite_values_count_as_unknown() -> None:
    assert rank_ic([1.0, 2.0, math.inf, 3.0], [1.0, 2.0, -9.0, 3.0]) == pytest.approx(1.0)


def test_residual_rank_ic_equals_ranks_demeaned_in_bins() -> None:
    random = np.random.default_rng(4)
    score, target, volatility = random.standard_normal((3, 200))
    bins = (stats.rankdata(volatility) - 1) // 10
    residuals = []
    for values in (score, target):
        rank = stats.rankdata(values)
        residuals.append(rank - np.array([rank[bins == b].mean() for b in bins]))
    assert residual_rank_ic(score, target, volatility) == pytest.approx(np.corrcoef(*residuals)[0, 1], abs=1e-12)


def test_residual_rank_ic_takes_volatility_away() -> None:
    """Scores that know volatility alone have a RankIC, and little is left of it."""
    random = np.random.default_rng(5)
    volatility = random.standard_normal((50, 400))
    score = -volatility + 0.01 * random.standard_normal(volatility.shape)
    target = -volatility + random.standard_normal(volatility.shape)
    assert rank_ic(score, target).mean() > 0.6
    assert abs(residual_rank_ic(score, target, volatility).mean()) < 0.1


def test_residual_rank_ic_leaves_out_stocks_without_volatility() -> None:
    random = np.random.default_rng(6)
    score, target, volatility = random.standard_normal((3, 60))
    volatility[:20] = NAN
    expected = residual_rank_ic(score[20:], target[20:], volatility[20:])
    assert residual_rank_ic(score, target, volatility) == pytest.approx(float(expected), abs=1e-12)


def test_robust_z_written_out() -> None:
    """Median 3, MAD 1: the outlier is cut at 3 before the mean and deviation are taken."""
    unit = 1 / 1.4826
    cut = np.array([-2 * unit, -unit, 0.0, unit, 3.0])
    expected = (cut - cut.mean()) / cut.std()
    assert robust_z([1.0, 2.0, 3.0, 4.0, 500.0]) == pytest.approx(expected, abs=1e-12)


def test_robust_z_without_mad_uses_the_deviation() -> None:
    z = robust_z([0.0, 0.0, 0.0, 0.0, 1.0, NAN])
    assert np.isfinite(z[:5]).all()
    assert np.isnan(z[5])
    assert np.nanstd(z) == pytest.approx(1.0)


def test_scale_is_the_deviation_of_scores_over_that_of_normalized_targets() -> None:
    random = np.random.default_rng(7)
    returns = 0.02 * random.standard_normal(500)
    assert scale(0.3 * robust_z(returns), returns) == pytest.approx(0.3)
    assert scale(np.zeros(500), returns) == 0.0
