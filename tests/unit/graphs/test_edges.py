"""Edge features on cases small enough to write down."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.graphs.edges import EDGE_FEATURES, edge_features, sector_residual


def test_sector_residual_leaves_the_stock_itself_out() -> None:
    returns = np.array([[0.01, 0.03, 0.05, 0.10], [0.01, np.nan, 0.05, np.nan]])
    residual = sector_residual(returns, np.array(["a", "a", "a", ""]))
    # day 1: 0.01 - (0.03 + 0.05) / 2, ...; day 2: each of the two known is the other's mean; no sector: unchanged
    np.testing.assert_allclose(residual, [[-0.03, 0.0, 0.03, 0.10], [-0.04, np.nan, 0.04, np.nan]], atol=1e-15)


def test_a_stock_alone_in_its_sector_keeps_its_return() -> None:
    np.testing.assert_array_equal(sector_residual(np.array([[0.02, 0.03]]), np.array(["a", "b"])), [[0.02, 0.03]])


def test_features_of_two_stocks() -> None:
    # equal weights; stock 1 is stock 0 doubled, so the correlation is 1 and volatilities are s and 2s
    returns = np.array([[0.01, 0.02, 0.03], [-0.01, -0.02, 0.01], [0.01, 0.02, -0.01], [-0.01, -0.02, -0.03]])
    rho = np.full((3, 3), 0.5)
    features = edge_features(
        np.array([[0, 0], [1, 2]]),
        rho,
        returns,
        s33=np.array(["x", "y", ""]),
        s17=np.array(["6", "6", ""]),
        values=np.array([1e6, 2e6, np.nan]),
        half_life=1e9,
        shrinkage=0.9,
    )
    volatility = np.array([0.01, 0.02, np.sqrt(5.0) / 100])
    sigma = volatility.std()
    assert EDGE_FEATURES[3] == "volatility_similarity"
    assert features[0].tolist() == pytest.approx([0.5, 0, 1, np.exp(-0.01 / sigma), 0.9, 0.5], rel=1e-5)
    assert features[1, [0, 1, 2, 5]].tolist() == pytest.approx([0.5, 0, 0, 0], rel=1e-5)
