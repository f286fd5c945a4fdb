"""The deflated Sharpe ratio against the worked example of its authors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import deflated_sharpe_ratio, expected_maximum_sharpe

DAYS = 250


def test_worked_example_of_the_paper() -> None:
    """Yearly Sharpe 2.5, five years of days, trials of variance 1/2, skew -3, kurtosis 10."""
    example = {"trial_variance": 0.5 / DAYS, "skewness": -3.0, "kurtosis": 10.0}
    for trials, expected in ((100, 0.9004), (46, 0.9505)):
        found = deflated_sharpe_ratio(2.5 / math.sqrt(DAYS), 1250, n_trials=trials, **example)
        assert found == pytest.approx(expected, abs=1e-4)


def test_expected_maximum_is_near_the_simulated_one() -> None:
    random = np.random.default_rng(2)
    simulated = (0.1 * random.standard_normal((4000, 50))).max(axis=1).mean()
    assert expected_maximum_sharpe(50, 0.01) == pytest.approx(simulated, rel=0.03)


def test_one_trial_is_the_probabilistic_sharpe_ratio() -> None:
    assert expected_maximum_sharpe(1, 0.5) == 0.0
    assert deflated_sharpe_ratio(0.0, 500, n_trials=1, trial_variance=0.0) == pytest.approx(0.5)


def test_more_trials_deflate_more() -> None:
    values = [deflated_sharpe_ratio(0.1, 500, n_trials=n, trial_variance=0.002) for n in (1, 5, 50)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def test_refusals() -> None:
    with pytest.raises(EvaluationError, match="n_trials = 0"):
        expected_maximum_sharpe(0, 1.0)
    with pytest.raises(EvaluationError, match="n_observations = 1"):
        deflated_sharpe_ratio(0.1, 1, n_trials=1, trial_variance=0.0)
