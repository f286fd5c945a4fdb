"""Huber loss in units of the normalized target: it ties the score's scale to the target's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from atft_pipeline.losses.rows import prepared, row_mean, usable


def huber_rows(score: Tensor, target: Tensor, mask: Tensor, delta: float) -> Tensor:
    """Mean Huber loss of every row: [B, N] -> [B]; 0 for rows that are too short."""
    each = F.huber_loss(prepared(score, mask), prepared(target, mask), reduction="none", delta=delta)
    return row_mean(each, mask).squeeze(-1) * usable(mask)


def huber_loss(score: Tensor, target: Tensor, mask: Tensor, *, delta: float = 1.0) -> Tensor:
    """Huber loss of one day: mean of `e^2 / 2` for |e| <= delta, else `delta (|e| - delta / 2)`, e = s - y.

    Missing data: masked stocks are left out; fewer than 3 valid stocks give 0.

    Args:
        score: [N].
        target: [N], normalized.
        mask: bool [N].
        delta: where the loss turns linear, in deviations of the target.

    Source: Huber 1964.
    """
    return huber_rows(score[None], target[None], mask[None], delta)[0]
