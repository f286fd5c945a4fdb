"""ListNet: cross-entropy between the day's top-one probabilities of target and score."""

from __future__ import annotations

import torch
from torch import Tensor

from atft_pipeline.losses.rows import is_among_best, prepared, rank_gauss, usable


def target_distribution(target: Tensor, mask: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """`q = softmax(g / tau)` over the valid stocks, g the rank-gauss of the target: [B, N] -> [B, N].

    Normal scores, not z-scores: with plain z-scores of returns one stock holds 69 to 97% of the mass on the median
    day of 3,400 names. With `top_k` the mass lies on the k best only.
    """
    chosen = mask if top_k is None else is_among_best(target, mask, top_k)
    logits = (rank_gauss(target, mask) / temperature).masked_fill(~chosen, -torch.inf)
    # A row without a valid stock: softmax of -inf alone is NaN.
    return torch.nan_to_num(torch.softmax(logits, dim=-1), nan=0.0)


def list_net_rows(
    score: Tensor, target: Tensor, mask: Tensor, temperature: float, top_k: int | None
) -> tuple[Tensor, Tensor]:
    """ListNet and its KL part for every row: [B, N] -> loss [B], KL [B]; 0 for rows that are too short."""
    score, target = prepared(score, mask), prepared(target, mask)
    q = target_distribution(target, mask, temperature, top_k)
    floor = torch.finfo(score.dtype).min
    log_p = torch.log_softmax((score / temperature).masked_fill(~mask, floor), dim=-1).masked_fill(~mask, 0.0)
    loss = -(q * log_p).sum(-1) * usable(mask)
    entropy = -torch.special.xlogy(q, q).sum(-1) * usable(mask)
    return loss, loss - entropy


def list_net(
    score: Tensor, target: Tensor, mask: Tensor, *, temperature: float = 1.0, top_k: int | None = None
) -> Tensor:
    """ListNet loss of one day: `-sum q log_softmax(s / tau)`.

    The score's softmax runs over ALL valid stocks even with `top_k`: restricting it to the k best would give
    false positives no gradient. The floor is H(q), about ln N; report `list_net_kl` beside it.
    Missing data: masked stocks are in neither distribution; fewer than 3 valid stocks give 0.

    Args:
        score: [N].
        target: [N], any monotone scale: only its ranks enter.
        mask: bool [N].
        temperature: tau of both distributions.
        top_k: number of best stocks that hold the target's mass; None for all.

    Returns:
        scalar, in nats.

    Source: Cao et al., Learning to Rank: From Pairwise to Listwise, ICML 2007.
    """
    loss, _ = list_net_rows(score[None], target[None], mask[None], temperature, top_k)
    return loss[0]


def list_net_kl(
    score: Tensor, target: Tensor, mask: Tensor, *, temperature: float = 1.0, top_k: int | None = None
) -> Tensor:
    """`KL(q || softmax(s / tau)) = loss - H(q)` of one day: 0 is a perfect fit. Arguments as in `list_net`."""
    _, divergence = list_net_rows(score[None], target[None], mask[None], temperature, top_k)
    return divergence[0]
