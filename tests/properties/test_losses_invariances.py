"""What must not change a loss: the order of stocks, the scale of a rank, other days' labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atft_pipeline.losses import (
    cs_ic_loss,
    huber_loss,
    list_net,
    list_net_kl,
    portfolio_returns,
    rank_ic_loss,
    sharpe_day_weights,
)

FEW = settings(max_examples=25, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10_000)
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "list_net": list_net,
    "list_net_top_k": lambda s, y, m: list_net(s, y, m, top_k=4),
    "rank_ic": rank_ic_loss,
    "cs_ic": cs_ic_loss,
    "huber": huber_loss,
    "portfolio": lambda s, y, m: portfolio_returns(s[None], y[None], m[None])[0],
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def day(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Score, target with ties, mask."""
    g = torch.Generator().manual_seed(seed)
    target = torch.randn(n, generator=g).mul(4).round() / 4
    return torch.randn(n, generator=g), target, torch.rand(n, generator=g) > 0.2


@every_loss
@FEW
@given(n=st.integers(3, 60), seed=SEEDS)
def test_the_order_of_stocks_does_not_matter(loss: Loss, n: int, seed: int) -> None:
    score, target, mask = day(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        loss(score[order], target[order], mask[order]), loss(score, target, mask), atol=1e-5, rtol=1e-4
    )


@FEW
@given(n=st.integers(3, 60), seed=SEEDS, scale=st.floats(0.01, 100.0), shift=st.floats(-3.0, 3.0))
def test_correlations_ignore_the_score_s_scale_and_level(n: int, seed: int, scale: float, shift: float) -> None:
    score, target, mask = day(n, seed)
    for loss in (rank_ic_loss, cs_ic_loss):
        torch.testing.assert_close(
            loss(scale * (score + shift), target, mask), loss(score, target, mask), atol=1e-3, rtol=0
        )


@FEW
@given(n=st.integers(3, 60), seed=SEEDS)
def test_ranking_losses_read_only_the_target_s_order(n: int, seed: int) -> None:
    score, target, mask = day(n, seed)
    for loss in (list_net, rank_ic_loss):
        assert torch.equal(loss(score, target.exp(), mask), loss(score, target, mask))


@FEW
@given(n=st.integers(3, 60), seed=SEEDS)
def test_divergence_is_never_negative(n: int, seed: int) -> None:
    score, target, mask = day(n, seed)
    assert list_net_kl(score, target, mask).item() >= -1e-5


@FEW
@given(n_days=st.integers(2, 30), seed=SEEDS)
def test_day_weights_equal_autograd(n_days: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    r = (0.01 * torch.randn(n_days, generator=g, dtype=torch.float64)).requires_grad_()
    loss = -r.mean() / (r.std(correction=0) + 1e-3)
    torch.autograd.backward(loss)
    assert r.grad is not None
    torch.testing.assert_close(sharpe_day_weights(r), r.grad, rtol=1e-7, atol=1e-12)
