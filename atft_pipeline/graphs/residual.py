"""Returns with the market taken out, over a window that ends at the session of the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atft_pipeline.graphs.correlation import decay_weights

Floats = npt.NDArray[np.float64]


def market_residual(returns: Floats, market: Floats, half_life: float) -> Floats:
    """Returns minus beta times the market, beta by weighted least squares over the same window.

    Formula: beta_i = sum_t w (r_it - mean r_i)(m_t - mean m) / sum_t w (m_t - mean m)^2 over the sessions on which both
    are known, w halving every `half_life` sessions back. Where the market is unknown the residual is NaN.
    Source: market model, Sharpe (1963).

    Args:
        returns: [T, N], NaN = no observation.
        market: [T] return of the index.
        half_life: in sessions.
    """
    known = np.isfinite(returns) & np.isfinite(market)[:, None]
    weights = decay_weights(len(returns), half_life)[:, None] * known
    total = np.maximum(weights.sum(axis=0), 1e-300)
    r = np.where(known, returns, 0.0)
    m = np.where(known, np.nan_to_num(market)[:, None], 0.0)
    r_deviation = r - (weights * r).sum(axis=0) / total
    m_deviation = m - (weights * m).sum(axis=0) / total
    variance = (weights * m_deviation**2).sum(axis=0)
    beta = (weights * r_deviation * m_deviation).sum(axis=0) / np.where(variance > 1e-18, variance, np.inf)
    return np.where(known, r - beta * m, np.nan)
