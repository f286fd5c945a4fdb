"""PSI and its limit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import population_stability_index, psi_limit


def test_no_change_no_index() -> None:
    values = np.arange(1000.0)
    assert population_stability_index(values, values) == pytest.approx(0.0)


def test_two_bins_written_out() -> None:
    """Half of the reference lies below its median, a quarter of the sample."""
    reference, sample = np.arange(10.0), np.array([1.0, 6.0, 7.0, 8.0])
    expected = (0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5)
    assert population_stability_index(reference, sample, n_bins=2) == pytest.approx(expected)


def test_a_flag_column_has_the_bins_of_its_values() -> None:
    reference = np.repeat([0.0, 1.0], [80, 20])
    sample = np.repeat([0.0, 1.0], [50, 50])
    found = population_stability_index(reference, sample)
    # the quantile edges 0 and 1 leave values <= 0 and values in (0, 1]
    assert found == pytest.approx((0.5 - 0.8) * math.log(0.5 / 0.8) + (0.5 - 0.2) * math.log(0.5 / 0.2), abs=1e-3)


def test_missing_values_are_left_out_and_an_empty_bin_stays_finite() -> None:
    reference = np.arange(100.0)
    shifted = population_stability_index(reference, np.array([1000.0, math.nan]))
    assert math.isfinite(shifted)
    assert shifted > 5.0


def test_limit_is_above_sampling_noise_and_a_shift_is_above_the_limit() -> None:
    random = np.random.default_rng(1)
    limit = psi_limit(250, 250)
    assert limit == 0.25
    noise = [population_stability_index(*random.standard_normal((2, 250))) for _ in range(200)]
    assert np.mean(np.array(noise) > limit) < 0.01
    assert population_stability_index(random.standard_normal(250), 1.0 + random.standard_normal(250)) > limit


def test_limit_grows_for_short_samples() -> None:
    assert psi_limit(1000, 20) == pytest.approx(3 * 9 * (1 / 1000 + 1 / 20))


def test_too_little_data_is_refused() -> None:
    with pytest.raises(EvaluationError, match="n_bins = 10"):
        population_stability_index([1.0, 2.0], [1.0])
    with pytest.raises(EvaluationError, match="sample 0"):
        population_stability_index(np.arange(20.0), [math.nan])
