"""RankIC as a loss: a differentiable rank of the score against the rank of the target."""

from __future__ import annotations

import torch
from torch import Tensor

from atft_pipeline.losses.rows import EPSILON, average_ranks, centred, pearson, prepared, usable

SHARPNESS = 4.0
"""Slope of the pairwise sigmoid, in units of the score's deviation: 1/4 of a deviation apart is mostly ordered."""


def soft_rank(score: Tensor, mask: Tensor, n_partners: int, generator: torch.Generator | None = None) -> Tensor:
    """Share of sampled partners that a stock beats: `mean_j sigmoid(4 (s_i - s_j) / std(s))`, within (0, 1).

    Partners are drawn once per row, without replacement, from its valid stocks; if `n_partners` covers the row,
    all pairs are used and nothing is drawn. Monotone in s, and blind to its scale.

    Args:
        score: [B, N], 0 where masked.
        mask: bool [B, N].
        n_partners: most partners per row.
        generator: source of the sample; the global one by default.

    Returns:
        [B, N], 0 where masked.
    """
    variance = centred(score, mask).square().sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp_min(1)
    scaled = score / variance.clamp_min(EPSILON).sqrt()
    partners, drawn = scaled, mask
    if n_partners < score.shape[1]:
        keys = torch.rand(score.shape, device=score.device, generator=generator).masked_fill(~mask, -1.0)
        picked = keys.topk(n_partners, dim=-1).indices
        partners, drawn = scaled.gather(-1, picked), mask.gather(-1, picked)
    beaten = torch.sigmoid(SHARPNESS * (scaled.unsqueeze(-1) - partners.unsqueeze(-2)))
    share = torch.bmm(beaten, drawn.to(score.dtype).unsqueeze(-1)).squeeze(-1)
    return share / drawn.sum(-1, keepdim=True).clamp_min(1) * mask


def rank_ic_rows(
    score: Tensor, target: Tensor, mask: Tensor, n_partners: int, generator: torch.Generator | None = None
) -> Tensor:
    """`1 - Pearson(soft_rank(s), rank(y))` for every row: [B, N] -> [B]; 0 for rows that are too short."""
    score, target = prepared(score, mask), prepared(target, mask)
    ranks = average_ranks(target, mask).to(score.dtype)
    return (1.0 - pearson(soft_rank(score, mask, n_partners, generator), ranks, mask)) * usable(mask)


def rank_ic_loss(
    score: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    n_partners: int = 128,
    generator: torch.Generator | None = None,
) -> Tensor:
    """RankIC loss of one day: `1 - Pearson(soft_rank(s), rank(y))`, within [0, 2].

    The rank of an argsort has no gradient; this one has, wherever two scores are not far apart.
    Missing data: masked stocks are neither ranked nor partners; fewer than 3 valid stocks give 0.

    Args:
        score: [N].
        target: [N]; only its ranks enter, ties sharing their mean rank.
        mask: bool [N].
        n_partners: stocks that each stock is compared with.
        generator: source of the partners' sample; with the same state, the same loss.

    Source: pairwise soft ranks as in Qin et al., A General Approximation Framework for IR Measures, 2010.
    """
    return rank_ic_rows(score[None], target[None], mask[None], n_partners, generator)[0]
