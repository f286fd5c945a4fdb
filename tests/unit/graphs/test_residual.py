"""Returns with the market taken out."""

from __future__ import annotations

import numpy as np

from atft_pipeline.graphs.residual import market_residual


def test_the_markets_part_is_gone_and_the_rest_stays() -> None:
    generator = np.random.default_rng(2)
    market = 0.01 * generator.normal(size=120)
    own = 0.01 * generator.normal(size=120)
    returns = np.stack([1.5 * market, 0.5 * market + own], axis=1)
    residual = market_residual(returns, market, half_life=40.0)
    assert np.abs(residual[:, 0]).max() < 1e-15
    weights = 0.5 ** (np.arange(119, -1, -1) / 40.0)
    slope = np.polyfit(market, returns[:, 1], 1, w=np.sqrt(weights))[0]  # polyfit squares its weights
    np.testing.assert_allclose(residual[:, 1], returns[:, 1] - slope * market, atol=1e-15)


def test_unknown_market_or_return_is_unknown() -> None:
    returns = np.array([[0.01], [np.nan], [0.02], [0.03]])
    market = np.array([0.01, 0.02, np.nan, 0.01])
    assert np.isnan(market_residual(returns, market, 10.0)[:, 0]).tolist() == [False, True, True, False]
