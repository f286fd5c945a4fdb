"""Sharpe ratio of the portfolio that the scores imply, as a loss over the days of the effective batch.

It is not additive over micro-batches or ranks, so it is taken in two passes: the first, without gradient, gives
every day's return r_d; `sharpe_day_weights` turns them into g_d = dL/dr_d; the second back-propagates
`sum g_d r_d` micro-batch by micro-batch, which has exactly the gradient of the whole.
"""

from __future__ import annotations

from torch import Tensor

from atft_pipeline.losses.rows import EPSILON, centred, prepared, usable, winsorized

WINSOR_SHARE = 0.005
FLOOR = 1e-3
"""Added to the deviation of daily returns: 10 basis points, below what a real book has. With one day in the batch
the deviation is 0 and the loss is the mean return in units of this floor."""


def portfolio_returns(scores: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Return of each day's long-short book: `r_d = sum_i w_i y_i`, `w = (s - mean s) / sum |s - mean s|`.

    The book is neutral and its gross exposure is 1. Returns are winsorized at the day's 0.5% and 99.5%.
    Missing data: masked stocks are not held; a day of fewer than 3 valid stocks, or of equal scores, returns 0.

    Args:
        scores: [D, N].
        returns: [D, N] raw returns of the chosen entry, as fractions.
        mask: bool [D, N].

    Returns:
        [D].
    """
    tilt = centred(prepared(scores, mask), mask)
    weights = tilt / tilt.abs().sum(-1, keepdim=True).clamp_min(EPSILON)
    return (weights * winsorized(prepared(returns, mask), mask, WINSOR_SHARE)).sum(-1) * usable(mask)


def sharpe_of_days(day_returns: Tensor, eps: float = FLOOR) -> Tensor:
    """`-mean(r) / (std(r) + eps)` over the first axis, std with ddof 0: [D, ...] -> [...]."""
    deviation = day_returns.var(0, correction=0).clamp_min(EPSILON**2).sqrt()
    return -day_returns.mean(0) / (deviation + eps)


def sharpe_day_weights(returns: Tensor, eps: float = FLOOR) -> Tensor:
    """Gradient of the Sharpe loss by each day's return: [D, ...] -> [D, ...], no gradient of its own.

    `g_d = -1 / (D (s + eps)) + m (r_d - m) / (D s (s + eps)^2)`, m the mean and s the deviation (ddof 0, floored)
    over the D days.

    Args:
        returns: r_d of ALL days of the effective batch, gathered over micro-batches and ranks.
        eps: as in the loss.
    """
    r = returns.detach()
    n_days, mean = len(r), r.mean(0)
    s = r.var(0, correction=0).clamp_min(EPSILON**2).sqrt()
    return -1.0 / (n_days * (s + eps)) + mean * (r - mean) / (n_days * s * (s + eps).square())


def sharpe_loss(scores: Tensor, returns: Tensor, mask: Tensor, *, eps: float = FLOOR) -> Tensor:
    """Sharpe loss of a batch of days: `-mean(r_d) / (std(r_d) + eps)`; per period, not annualized.

    Meant for D >= 8 days; with fewer it is computed over what there is (see `FLOOR`).
    Missing data: as in `portfolio_returns`.

    Args:
        scores: [D, N].
        returns: [D, N] raw returns, as fractions.
        mask: bool [D, N].
        eps: added to the deviation.
    """
    return sharpe_of_days(portfolio_returns(scores, returns, mask), eps)
