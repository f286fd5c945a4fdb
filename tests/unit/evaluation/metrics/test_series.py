"""Statistics of daily series: known values, overlapping returns, the size of the t-test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from atft_pipeline.evaluation.metrics import hansen_hodrick_t, icir, sharpe_ratio


def overlapping(length: int, horizon: int, random: np.random.Generator, drift: float = 0.0) -> NDArray[np.float64]:
    """Sums of `horizon` consecutive independent daily values, one sum a session."""
    daily = drift + random.standard_normal(length + horizon - 1)
    return np.convolve(daily, np.ones(horizon), "valid")


def test_sharpe_ratio_written_out() -> None:
    """Mean .01, deviation .01 (ddof 1): sqrt(252) a year; five-day returns sqrt(252 / 5)."""
    returns = [0.0, 0.01, 0.02]
    assert sharpe_ratio(returns) == pytest.approx(math.sqrt(252))
    assert sharpe_ratio(returns, 5) == pytest.approx(math.sqrt(252 / 5))
    assert sharpe_ratio([*returns, math.nan]) == sharpe_ratio(returns)
    assert sharpe_ratio([-r for r in returns]) == -sharpe_ratio(returns)


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_sharpe_ratio_of_overlapping_returns_is_that_of_the_daily_ones(horizon: int) -> None:
    """A daily process with a yearly Sharpe ratio of 1, judged by its h-day returns."""
    random = np.random.default_rng(11)
    found = [sharpe_ratio(overlapping(2500, horizon, random, 1 / math.sqrt(252)), horizon) for _ in range(60)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.15)


def test_series_without_spread_or_too_short_are_unknown() -> None:
    for series in ([], [0.1], [0.1, 0.1, 0.1], [math.nan, 0.2]):
        assert math.isnan(sharpe_ratio(series))
        assert math.isnan(icir(series))
        assert math.isnan(hansen_hodrick_t(series, 5))


def test_icir_written_out() -> None:
    assert icir([0.01, 0.03, math.nan]) == pytest.approx(0.02 / (0.02 / math.sqrt(2)))


def test_hansen_hodrick_written_out() -> None:
    """Deviations -1, -1, 1, 1, horizon 2: g0 = 1, g1 = 1/4, variance (1 + 2/4) / 4."""
    assert hansen_hodrick_t([1.0, 1.0, 3.0, 3.0], 2) == pytest.approx(2.0 / math.sqrt(1.5 / 4))


def test_negative_variance_falls_back_to_newey_west() -> None:
    """Deviations alternate, so g0 = 1 and g1 = -5/6: flat weights give 1 - 5/3 < 0."""
    series = [2.0, 4.0] * 3
    gammas = [1.0, -5 / 6, 4 / 6, -3 / 6, 2 / 6, -1 / 6]
    lags = 5  # max(3 * 2, 1.3 sqrt 6) cut at T - 1
    variance = gammas[0] + 2 * sum((1 - k / (lags + 1)) * gammas[k] for k in range(1, lags + 1))
    assert hansen_hodrick_t(series, 2) == pytest.approx(3.0 / math.sqrt(variance / 6))


def test_a_missing_session_keeps_its_place() -> None:
    """Neighbours of a gap are two sessions apart, so one lag sees no pair across it."""
    assert hansen_hodrick_t([1.0, math.nan, 3.0, math.nan, 2.0], 2) == pytest.approx(2.0 / math.sqrt((2 / 3) / 3))


def test_plain_t_would_be_far_too_large_on_overlapping_returns() -> None:
    random = np.random.default_rng(12)
    series = overlapping(1000, 20, random)
    plain = series.mean() / (series.std(ddof=1) / math.sqrt(len(series)))
    assert abs(hansen_hodrick_t(series, 20)) < abs(plain) / 2


@pytest.mark.parametrize(("horizon", "length"), [(1, 1000), (5, 500), (10, 500), (20, 1000)])
def test_size_a_true_null_is_rejected_about_five_times_in_a_hundred(horizon: int, length: int) -> None:
    random = np.random.default_rng(13 + horizon)
    rejected = [abs(hansen_hodrick_t(overlapping(length, horizon, random), horizon)) > 1.96 for _ in range(2000)]
    assert 0.03 <= np.mean(rejected) <= 0.08
