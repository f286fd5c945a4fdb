"""Decile long-short portfolios of h-day returns, before and after trading costs.

A book of h tranches, one formed every session and held for h sessions, then traded into the tranche of that day. So
each session has one h-day return, its cost is that of replacing the tranche formed h sessions before, and the series
overlaps: its Sharpe ratio is annualized with sqrt(252 / h) and its t-value is Hansen-Hodrick's. Orders are filled at
the target's entry price if there is one; lots, limits on volume and price limits play no part here, and shorts are
hypothetical: no lending flag is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError

Array = NDArray[np.float64]

N_DECILES = 10


@dataclass(frozen=True)
class PortfolioReturns:
    """Daily series [D] of a tranche book; NaN on days without a portfolio.

    Attributes:
        gross: h-day return of the tranche formed that day, as a fraction of its capital.
        net: gross minus costs.
        turnover: one way, 0.5 sum |w - drifted w of h sessions before|; the first tranches are bought from cash.
    """

    gross: Array
    net: Array
    turnover: Array


def order_by_score(score: Array) -> NDArray[np.int64]:
    """Place of each stock of a day in ascending score, 0 first, ties by column; -1 where the score is NaN. [D, C]."""
    ascending = np.argsort(np.where(np.isfinite(score), score, np.inf), axis=-1, kind="stable")
    place = np.empty_like(ascending)
    np.put_along_axis(place, ascending, np.broadcast_to(np.arange(score.shape[-1]), score.shape), axis=-1)
    return np.where(np.isfinite(score), place, -1)


def long_short_weights(score: Array, share: float) -> Array:
    """Equal weights: +1/k on the k highest scores of a day, -1/k on the k lowest, k = floor(share * n), n scored.

    Selection sees scores only, never whether an outcome is known. A day with k = 0, or with constant scores, holds
    nothing.

    Args:
        score: [D, C], NaN for a stock that is not scored.
        share: of the scored stocks on each side, in (0, 0.5].

    Returns:
        [D, C]; longs sum to 1 and shorts to -1.
    """
    if not 0.0 < share <= 0.5:
        raise EvaluationError(f"share = {share} is outside (0, 0.5].", remedy="Give 0.1 for deciles.")
    place = order_by_score(score)
    count = (place >= 0).sum(axis=1, keepdims=True)
    k = np.floor(share * count + 1e-9).astype(np.int64)
    spread = np.where(place >= 0, score, -np.inf).max(axis=1) > np.where(place >= 0, score, np.inf).min(axis=1)
    k[~spread] = 0
    side = (place >= count - k).astype(np.float64) - ((place >= 0) & (place < k)).astype(np.float64)
    return np.where(k > 0, side / np.maximum(k, 1), 0.0)


def tranche_returns(weights: Array, returns: Array, horizon: int, cost_bps: float) -> PortfolioReturns:
    """Returns of the tranche book: r_net = r - bps * 1e-4 * sum |dw|, dw against the drifted weights of t - h.

    A position without a return could not be opened: it stays in cash and costs nothing. Weights drift with
    w (1 + r) / (1 + sum w r) over their h sessions.

    Args:
        weights: [D, C] wanted at the entry of each session, rows consecutive sessions.
        returns: [D, C] over h sessions from that entry, NaN unknown.
        horizon: h.
        cost_bps: cost of trading one unit of weight, in basis points.
    """
    filled = np.where(np.isfinite(returns), weights, 0.0)
    known = np.where(np.isfinite(returns), returns, 0.0)
    held = (filled != 0.0).any(axis=1)
    gross = (filled * known).sum(axis=1)
    drifted = filled * (1.0 + known) / (1.0 + gross)[:, None]
    before = np.zeros_like(filled)
    before[horizon:] = drifted[:-horizon]
    traded = np.abs(filled - before).sum(axis=1)
    net = gross - cost_bps * 1e-4 * traded
    return PortfolioReturns(*(np.where(held, series, np.nan) for series in (gross, net, 0.5 * traded)))


def decile_returns(score: Array, returns: Array, n_groups: int = N_DECILES) -> Array:
    """Mean h-day return of each score group per day, lowest scores first; [D, n_groups], NaN for an empty group.

    Groups are formed over the scored stocks; a stock without a return is then left out of its group's mean.
    """
    place = order_by_score(score)
    count = np.maximum((place >= 0).sum(axis=1, keepdims=True), 1)
    group = np.where((place >= 0) & np.isfinite(returns), place * n_groups // count, -1)
    means = np.full((len(score), n_groups), np.nan)
    for number in range(n_groups):
        inside = group == number
        size = inside.sum(axis=1)
        total = np.where(inside, returns, 0.0).sum(axis=1)
        means[size > 0, number] = total[size > 0] / size[size > 0]
    return means
