"""Pinball loss of quantile forecasts."""

from __future__ import annotations

import torch
from torch import Tensor

from atft_pipeline.losses.rows import prepared, row_mean, usable


def quantile_rows(quantiles: Tensor, target: Tensor, mask: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Mean pinball loss of every row: quantiles [B, N, Q], target [B, N] -> [B]; 0 for rows that are too short."""
    forecast = prepared(quantiles, mask.unsqueeze(-1))
    error = prepared(target, mask).unsqueeze(-1) - forecast
    level = torch.tensor(levels, dtype=forecast.dtype, device=forecast.device)
    each = torch.maximum(level * error, (level - 1.0) * error).mean(-1)
    return row_mean(each, mask).squeeze(-1) * usable(mask)


def quantile_loss(quantiles: Tensor, target: Tensor, mask: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Pinball loss of one day: mean over stocks and levels of `max(p e, (p - 1) e)`, e = y - q_p.

    Missing data: masked stocks are left out; fewer than 3 valid stocks give 0.

    Args:
        quantiles: [N, Q], one column per level.
        target: [N], normalized.
        mask: bool [N].
        levels: the Q probability levels, each in (0, 1).

    Source: Koenker and Bassett 1978.
    """
    return quantile_rows(quantiles[None], target[None], mask[None], levels)[0]
