"""Masked statistics of rows: a row is the cross-section of one day and horizon, [B, N] with a mask.

Every loss is written once, over rows; the loss of one day is the case B = 1. Values where the mask is False may be
anything, NaN included: they are replaced before the first operation, never after.
"""

from __future__ import annotations

import torch
from torch import Tensor

MIN_STOCKS = 3
"""A cross-section of fewer stocks has no loss: it counts as 0 and passes no gradient."""

EPSILON = 1e-8


def prepared(values: Tensor, mask: Tensor) -> Tensor:
    """Values in at least float32 with 0 where the mask is False, so that a NaN label cannot reach a sum."""
    full = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    return torch.where(mask, full, 0.0)


def usable(mask: Tensor) -> Tensor:
    """Rows with at least `MIN_STOCKS` stocks: [B, N] -> bool [B]."""
    return mask.sum(-1) >= MIN_STOCKS


def row_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid stocks: [B, N] -> [B, 1]; 0 for an empty row."""
    return (values * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp_min(1)


def centred(values: Tensor, mask: Tensor) -> Tensor:
    """Values minus their row's mean; 0 where masked."""
    return (values - row_mean(values, mask)) * mask


def pearson(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Pearson correlation of each row: [B, N] -> [B]; 0 where one side has no spread."""
    a, b = centred(a, mask), centred(b, mask)
    # The floor sits inside the root: at zero spread the gradient of a root is not finite.
    norm = (a.square().sum(-1).clamp_min(EPSILON**2) * b.square().sum(-1).clamp_min(EPSILON**2)).sqrt()
    return (a * b).sum(-1) / norm


def average_ranks(values: Tensor, mask: Tensor) -> Tensor:
    """Ranks 1..n of the valid stocks of each row, ties sharing their mean; 0 where masked. No gradient."""
    below, up_to = _counts(values, mask)
    return (below + up_to + 1) * 0.5 * mask


def is_among_best(values: Tensor, mask: Tensor, k: int) -> Tensor:
    """Stocks with fewer than k valid stocks above them: bool [B, N]; those that tie for place k all belong."""
    _, up_to = _counts(values, mask)
    return (mask.sum(-1, keepdim=True) - up_to < k) & mask


def _counts(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """How many valid values of the row lie below each value, and how many at or below it."""
    # Masked stocks go to +inf, behind all others, where no valid value counts them.
    keys = torch.where(mask, values.detach(), torch.inf)
    ordered = keys.sort(dim=-1).values
    below = torch.searchsorted(ordered, keys.contiguous(), side="left")
    up_to = torch.searchsorted(ordered, keys.contiguous(), side="right")
    return below, up_to


def rank_gauss(values: Tensor, mask: Tensor) -> Tensor:
    """Normal scores `Phi^-1((rank - 1/2) / n)` of each row; 0 where masked. No gradient."""
    count = mask.sum(-1, keepdim=True).clamp_min(1)
    share = (average_ranks(values, mask) - 0.5) / count
    scores: Tensor = torch.special.ndtri(torch.where(mask, share, 0.5))
    return scores


def winsorized(values: Tensor, mask: Tensor, share: float) -> Tensor:
    """Values clamped to the quantiles `share` and `1 - share` of their row's valid stocks (linear interpolation)."""
    ordered = torch.where(mask, values, torch.inf).sort(dim=-1).values
    last = (mask.sum(-1, keepdim=True) - 1).clamp_min(0)
    bounds = []
    for level in (share, 1.0 - share):
        place = last * level
        lower = place.floor().long()
        low, high = ordered.gather(-1, lower), ordered.gather(-1, torch.minimum(lower + 1, last))
        bounds.append(torch.lerp(low, high, (place - lower).to(low.dtype)))
    return torch.where(mask, torch.clamp(values, bounds[0], bounds[1]), 0.0)
