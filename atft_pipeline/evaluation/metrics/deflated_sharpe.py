"""Deflated Sharpe ratio: the chance that a Sharpe ratio is real, given how many recipes were tried."""

from __future__ import annotations

import math

from scipy.stats import norm

from atft_pipeline.errors import EvaluationError

EULER_MASCHERONI = 0.5772156649015329


def expected_maximum_sharpe(n_trials: int, trial_variance: float) -> float:
    """Expected largest Sharpe ratio of `n_trials` recipes without skill, in the unit of the trials' Sharpe ratios.

    sqrt(V) ((1 - g) Z^-1(1 - 1/N) + g Z^-1(1 - 1/(N e))), g the Euler-Mascheroni constant; 0 for a single trial.
    """
    if n_trials < 1 or trial_variance < 0.0:
        raise EvaluationError(
            f"n_trials = {n_trials} (limit 1), trial_variance = {trial_variance} (limit 0).",
            remedy="Count every distinct recipe scored out of fold, the present one included.",
        )
    if n_trials == 1:
        return 0.0
    high = norm.ppf(1.0 - 1.0 / n_trials)
    higher = norm.ppf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(trial_variance) * float((1.0 - EULER_MASCHERONI) * high + EULER_MASCHERONI * higher)


def deflated_sharpe_ratio(
    sharpe: float,
    n_observations: int,
    *,
    n_trials: int,
    trial_variance: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Probability that the true Sharpe ratio exceeds the best of `n_trials` without skill.

    Phi((SR - SR0) sqrt(T - 1) / sqrt(1 - skew SR + (kurtosis - 1)/4 SR^2)); Bailey and Lopez de Prado (2014).

    Args:
        sharpe: SR per observation, NOT annualized, from daily non-overlapping net returns.
        n_observations: T, daily returns behind it.
        n_trials: N, distinct recipes scored out of fold; fold children, refreshes and resumes do not count.
        trial_variance: variance over the trials of their SR per observation.
        skewness: of the returns.
        kurtosis: of the returns, 3 for a normal distribution.

    Returns:
        In [0, 1].
    """
    if n_observations < 2:
        raise EvaluationError(f"n_observations = {n_observations} is below 2.", remedy="Give a longer return series.")
    best = expected_maximum_sharpe(n_trials, trial_variance)
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return float(norm.cdf((sharpe - best) * math.sqrt(n_observations - 1) / math.sqrt(spread)))
