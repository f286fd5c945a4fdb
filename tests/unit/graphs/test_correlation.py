"""Weighted correlation against a brute-force oracle, and the choice of edges."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from atft_pipeline.graphs.correlation import decay_weights, strongest_pairs, weighted_correlation
from atft_pipeline.sections import GraphSettings
from tests.unit.graphs.market import returns_with_industries


def brute_force(returns: npt.NDArray[np.float64], half_life: float, i: int, j: int) -> tuple[float, int]:
    """Correlation of two stocks and their common sessions, written as the definition reads, one session at a time."""

    def moments(n: int) -> tuple[list[float], float]:
        weights = [0.5 ** ((len(returns) - 1 - t) / half_life) for t in range(len(returns))]
        known = [t for t in range(len(returns)) if not math.isnan(returns[t, n])]
        mean = sum(weights[t] * returns[t, n] for t in known) / sum(weights[t] for t in known)
        deviations = [
            math.sqrt(weights[t]) * (returns[t, n] - mean) if t in known else 0.0 for t in range(len(returns))
        ]
        return deviations, math.sqrt(sum(d * d for d in deviations))

    (x, length_x), (y, length_y) = moments(i), moments(j)
    common = sum(not (math.isnan(a) or math.isnan(b)) for a, b in zip(returns[:, i], returns[:, j], strict=True))
    return sum(a * b for a, b in zip(x, y, strict=True)) / (length_x * length_y), common


def test_decay_halves_after_one_half_life() -> None:
    assert decay_weights(3, 1.0).tolist() == [0.25, 0.5, 1.0]


def test_correlation_equals_the_definition_with_holes() -> None:
    returns = returns_with_industries(60, holes=0.2)
    settings = GraphSettings(window=60, half_life=17.0, min_common=35, shrinkage=0.9)
    rho, common = weighted_correlation(returns, settings)
    enough = 0
    for i in range(12):
        assert rho[i, i] == 0.0
        for j in range(i):
            expected, n = brute_force(returns, 17.0, i, j)
            assert common[i, j] == n
            enough += n >= 35
            assert rho[i, j] == pytest.approx(0.9 * expected if n >= 35 else 0.0, abs=1e-12)
            assert rho[j, i] == pytest.approx(rho[i, j], abs=1e-15)
    assert 0 < enough < 66  # both branches were met


def test_correlation_of_equal_weights_is_numpys() -> None:
    returns = returns_with_industries(80)
    rho, _ = weighted_correlation(returns, GraphSettings(window=80, half_life=1e9, min_common=20, shrinkage=1.0))
    np.testing.assert_allclose(rho + np.eye(12), np.corrcoef(returns.T), atol=1e-6)


def test_a_stock_without_spread_or_data_has_no_correlation() -> None:
    returns = returns_with_industries(40)
    returns[:, 0] = 0.01
    returns[:, 1] = np.nan
    rho, _ = weighted_correlation(returns, GraphSettings(window=40, min_common=10))
    assert not rho[:2].any()
    assert np.isfinite(rho).all()


def test_strongest_pairs_written_out() -> None:
    rho = np.zeros((4, 4))
    for i, j, value in ((0, 1, 0.9), (0, 2, -0.8), (0, 3, 0.4), (2, 3, 0.2)):
        rho[i, j] = rho[j, i] = value
    # k = 1: 0-1 is best of 0 and 1, 0-2 best of 2, 0-3 best of 3; the cap of 2 leaves out the weakest, 0-3
    assert strongest_pairs(rho, GraphSettings(k=1, threshold=0.3)).tolist() == [[0, 0], [1, 2]]
    assert strongest_pairs(rho, GraphSettings(k=1, threshold=0.85)).tolist() == [[0], [1]]
    assert strongest_pairs(rho, GraphSettings(k=10, threshold=0.1)).T.tolist() == [[0, 1], [0, 2], [0, 3], [2, 3]]


def test_nobody_becomes_a_hub() -> None:
    generator = np.random.default_rng(3)
    hub = generator.normal(size=(200, 1))
    returns = np.concatenate([hub, hub + 2.0 * generator.normal(size=(200, 40))], axis=1)
    settings = GraphSettings(window=200, min_common=100, half_life=1e6, k=3, threshold=0.1)
    degree = np.bincount(strongest_pairs(weighted_correlation(returns, settings)[0], settings).reshape(-1))
    assert degree[0] == 6
    assert degree.max() <= 6


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_stocks_have_no_pair(n: int) -> None:
    assert strongest_pairs(np.zeros((n, n)), GraphSettings()).shape == (2, 0)
