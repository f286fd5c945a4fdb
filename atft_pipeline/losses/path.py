"""Squared error of the path ahead that the adaptive norm forecasts."""

from __future__ import annotations

from torch import Tensor

from atft_pipeline.losses.rows import prepared, row_mean, usable


def path_rows(path: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of every row over its valid (stock, session) pairs: [B, M] -> [B]."""
    error = prepared(path, mask) - prepared(target, mask)
    return row_mean(error.square(), mask).squeeze(-1) * usable(mask)


def path_loss(path: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Path loss of one day: mean of `(p - y)^2` over the valid pairs of stock and future session.

    Missing data: sessions whose target is unknown are left out; fewer than 3 valid pairs give 0.

    Args:
        path: [N, P] forecast of the normalized one-day targets of the next P sessions.
        target: [N, P].
        mask: bool [N, P].
    """
    return path_rows(path.flatten()[None], target.flatten()[None], mask.flatten()[None])[0]
