"""Exponentially weighted correlation of residual returns, and the choice of edges from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atft_pipeline.sections import GraphSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def decay_weights(n: int, half_life: float) -> Floats:
    """Weights [n] of n sessions in time order: the last has weight 1, one `half_life` before it 1/2."""
    return np.asarray(0.5 ** (np.arange(n - 1, -1, -1) / half_life), dtype=np.float64)


def weighted_deviations(returns: Floats, half_life: float) -> tuple[Floats, Floats]:
    """Deviations from each stock's own weighted mean times the root of the weight, and each stock's volatility.

    Formula: with w_t the decay and m_it = 1 where r_it is known, mean_i = sum_t w m r / sum_t w m,
    x_it = sqrt(w_t) m_it (r_it - mean_i), vol_i = sqrt(sum_t x_it^2 / sum_t w_t m_it).
    An unknown return contributes 0; a stock without any observation has deviations 0 and volatility NaN.

    Args:
        returns: [T, N], time first, NaN = no observation.
        half_life: of the weights, in sessions.

    Returns:
        x [T, N] and vol [N].
    """
    known = np.isfinite(returns)
    weights = decay_weights(len(returns), half_life)[:, None] * known
    total = weights.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    filled = np.where(known, returns, 0.0)
    mean = (weights * filled).sum(axis=0) / safe
    deviations = np.sqrt(weights) * (filled - mean) * known
    volatility = np.where(total > 0, np.sqrt((deviations**2).sum(axis=0) / safe), np.nan)
    return deviations, volatility


def unit_columns(deviations: Floats) -> Floats:
    """Columns scaled to length 1, so that a product of two is a correlation; a column without spread becomes 0."""
    length = np.sqrt((deviations**2).sum(axis=0))
    return deviations / np.where(length > 1e-12, length, np.inf)


def weighted_correlation(returns: Floats, settings: GraphSettings) -> tuple[Floats, Ints]:
    """Shrunk correlation of every pair of stocks, and the number of sessions on which both were observed.

    Formula: rho_ij = shrinkage * sum_t x_it x_jt / (|x_i| |x_j|), x from `weighted_deviations`. Each stock is scaled by
    all of its own observations, so sessions that only one of two stocks has pull their rho towards 0, never beyond 1.

    Args:
        returns: [T, N] market-residual returns aligned by session, NaN = no observation.
        settings: half-life, shrinkage, `min_common`.

    Returns:
        rho [N, N] with 0 where fewer than `min_common` sessions are common and on the diagonal, and counts [N, N].
    """
    unit = unit_columns(weighted_deviations(returns, settings.half_life)[0])
    rho = settings.shrinkage * (unit.T @ unit)
    known = np.isfinite(returns).astype(np.float32)  # exact up to 2^24 sessions, at half the time
    common = (known.T @ known).astype(np.int64)
    rho[common < settings.min_common] = 0.0
    np.fill_diagonal(rho, 0.0)
    return np.clip(rho, -1.0, 1.0), common


def strongest_pairs(rho: Floats, settings: GraphSettings) -> Ints:
    """Pairs [2, P] (i < j, sorted) that become edges.

    A pair is wanted if |rho| >= threshold and it is among the k strongest of i or of j (the union of both makes the
    graph symmetric). Pairs are then taken from the strongest down while both ends have fewer than 2k of them, so no
    stock becomes a hub. Equal strengths are settled in the same way on every run.

    Args:
        rho: [N, N] symmetric correlation with 0 on the diagonal.
        settings: threshold and k.
    """
    strength = np.abs(rho)
    stock, other = np.nonzero((strength >= settings.threshold) & (strength > 0))
    strongest_first = np.lexsort((-strength[stock, other], stock))
    place = np.empty_like(stock)  # of a pair among those of its stock, 0 for the strongest
    place[strongest_first] = np.arange(len(stock)) - np.searchsorted(stock, stock)
    stock, other = stock[place < settings.k], other[place < settings.k]
    n = max(len(rho), 1)
    first, second = np.divmod(np.unique(np.minimum(stock, other) * n + np.maximum(stock, other)), n)
    ends = list(zip(first.tolist(), second.tolist(), strict=True))  # plain numbers: the loop is short on arithmetic
    degree = [0] * len(rho)
    kept = []
    for pair in np.argsort(-strength[first, second], kind="stable").tolist():
        i, j = ends[pair]
        if degree[i] < 2 * settings.k and degree[j] < 2 * settings.k:
            degree[i] += 1
            degree[j] += 1
            kept.append(pair)
    order = np.sort(np.array(kept, dtype=np.int64))
    return np.stack([first[order], second[order]]).astype(np.int64)
