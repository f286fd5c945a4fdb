"""Every loss against an oracle written another way, with masks and NaN labels, and with a gradient that is alive."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import norm, pearsonr, rankdata
from sklearn.metrics import mean_pinball_loss
from torch import Tensor

from atft_pipeline.losses import (
    cs_ic_loss,
    huber_loss,
    list_net,
    list_net_kl,
    path_loss,
    quantile_loss,
    rank_ic_loss,
    sharpe_loss,
)
from atft_pipeline.losses.list_net import target_distribution
from atft_pipeline.losses.rank_ic import soft_rank

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LEVELS = (0.1, 0.5, 0.9)


def of_quantiles(score: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return quantile_loss(score.unsqueeze(-1) + torch.tensor([-1.0, 0.0, 1.0]), target, mask, LEVELS)


def of_sharpe(score: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Two days: the given one, and its first half."""
    half = mask & (torch.arange(len(mask)) < len(mask) // 2)
    return sharpe_loss(score.expand(2, -1), 0.02 * target.expand(2, -1), torch.stack([mask, half]))


LOSSES: dict[str, Loss] = {
    "list_net": list_net,
    "list_net_top_k": lambda s, y, m: list_net(s, y, m, top_k=5),
    "rank_ic": rank_ic_loss,
    "cs_ic": cs_ic_loss,
    "huber": huber_loss,
    "quantile": of_quantiles,
    "sharpe": of_sharpe,
    "path": lambda s, y, m: path_loss(s.unsqueeze(-1), y.unsqueeze(-1), m.unsqueeze(-1)),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def day(n: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.rand(n) > 0.2
    mask[:3] = True
    return torch.randn(n), torch.randn(n), mask


@every_loss
def test_the_gradient_is_finite_and_reaches_every_valid_stock(loss: Loss) -> None:
    score, target, mask = day()
    score.requires_grad_()
    torch.autograd.backward(loss(score, target, mask))
    assert score.grad is not None
    assert score.grad.isfinite().all()
    assert score.grad[mask].abs().min() > 0.0
    assert score.grad[~mask].abs().max() == 0.0


@every_loss
def test_the_gradient_is_that_of_the_function(loss: Loss) -> None:
    score, target, mask = day(12)
    score = score.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, target.double(), mask), (score,), atol=1e-6)


@every_loss
def test_masked_stocks_are_not_read(loss: Loss) -> None:
    score, target, mask = day()
    expected = loss(score, target, mask)
    for filler in (float("nan"), float("inf"), 1e9):
        hidden = torch.where(mask, target, filler)
        found = torch.where(mask, score, filler).requires_grad_()
        value = loss(found, hidden, mask)
        assert torch.equal(value, expected)
        torch.autograd.backward(value)
        assert found.grad is not None
        assert found.grad.isfinite().all()


@every_loss
def test_leaving_masked_stocks_out_changes_nothing(loss: Loss) -> None:
    score, target, mask = day()
    if loss is not of_sharpe:  # its second day is cut by position
        kept = torch.ones(int(mask.sum()), dtype=torch.bool)
        torch.testing.assert_close(loss(score[mask], target[mask], kept), loss(score, target, mask))


@every_loss
def test_too_few_stocks_cost_nothing(loss: Loss) -> None:
    score, target, _ = day(5)
    score.requires_grad_()
    mask = torch.tensor([True, True, False, False, False])
    value = loss(score, target, mask)
    torch.autograd.backward(value)
    assert value.item() == 0.0
    assert score.grad is not None
    assert score.grad.abs().max() == 0.0


@every_loss
def test_equal_scores_are_no_accident(loss: Loss) -> None:
    score, target, mask = torch.zeros(40), torch.randn(40), torch.ones(40, dtype=torch.bool)
    score.requires_grad_()
    value = loss(score, target, mask)
    torch.autograd.backward(value)
    assert value.isfinite()
    assert score.grad is not None
    assert score.grad.isfinite().all()


@every_loss
def test_half_precision_is_computed_in_full(loss: Loss) -> None:
    score, target, mask = day()
    half = score.bfloat16()
    assert loss(half, target, mask).dtype == torch.float32
    torch.testing.assert_close(loss(half, target, mask), loss(half.float(), target, mask))


def test_no_two_losses_are_the_same_function() -> None:
    """On 30 days: no pair of losses is equal, or a fixed straight line of each other."""
    values: dict[str, list[float]] = {name: [] for name in LOSSES}
    for _ in range(30):
        score, target, _ = day()
        full = torch.ones(len(score), dtype=torch.bool)
        for name, loss in LOSSES.items():
            values[name].append(float(loss(score + 0.3 * target, target, full)))
    for one, other in itertools.combinations(LOSSES, 2):
        assert abs(np.corrcoef(values[one], values[other])[0, 1]) < 0.999, (one, other)


def test_list_net_oracle() -> None:
    score, target, mask = day()
    s, y = score[mask].double().numpy(), target[mask].numpy()
    g = norm.ppf((rankdata(y) - 0.5) / len(y))
    expected = -(softmax(g / 0.7) * log_softmax(s / 0.7)).sum()
    assert list_net(score, target, mask, temperature=0.7).item() == pytest.approx(expected, rel=1e-5)
    best = np.argsort(y)[-6:]
    expected = -(softmax(g[best]) * log_softmax(s)[best]).sum()
    assert list_net(score, target, mask, top_k=6).item() == pytest.approx(expected, rel=1e-5)


def test_list_net_divergence_is_zero_at_a_perfect_fit() -> None:
    _, target, mask = day()
    y = target[mask].numpy()
    score = torch.zeros(len(target))
    score[mask] = torch.tensor(norm.ppf((rankdata(y) - 0.5) / len(y)), dtype=torch.float32)
    assert list_net_kl(score, target, mask).item() == pytest.approx(0.0, abs=1e-5)
    assert list_net_kl(-score, target, mask).item() > 1.0
    q = softmax(score[mask].numpy())
    entropy = -(q * np.log(q)).sum()
    assert (list_net(score, target, mask) - list_net_kl(score, target, mask)).item() == pytest.approx(entropy, rel=1e-4)


def test_no_stock_holds_more_than_two_percent_of_the_mass() -> None:
    """Returns with fat tails, 4,000 names; a plain z-score gives one of them more than a fifth."""
    target = torch.distributions.StudentT(2.5).sample((1, 4000))
    full = torch.ones(1, 4000, dtype=torch.bool)
    q = target_distribution(target, full, 1.0, None)
    assert q.sum().item() == pytest.approx(1.0, rel=1e-4)
    assert q.max().item() < 0.02
    plain = torch.softmax((target - target.mean()) / target.std(), dim=-1)
    assert plain.max().item() > 0.2


def test_false_positives_get_gradient_with_top_k() -> None:
    score, target, mask = day()
    score.requires_grad_()
    torch.autograd.backward(list_net(score, target, mask, top_k=5))
    worst = target.masked_fill(~mask, torch.inf).argmin()
    assert score.grad is not None
    assert score.grad[worst] > 0.0


def test_rank_ic_nears_spearman() -> None:
    score, target, mask = day(200)
    target = target + score
    spearman = pearsonr(rankdata(score[mask]), rankdata(target[mask])).statistic
    assert rank_ic_loss(score, target, mask, n_partners=200).item() == pytest.approx(1.0 - spearman, abs=0.02)
    assert rank_ic_loss(score, score, mask).item() < 0.02


def test_soft_ranks_ascend_with_the_score_and_ignore_its_scale() -> None:
    score, mask = torch.randn(1, 50), torch.ones(1, 50, dtype=torch.bool)
    ranks = soft_rank(score, mask, 50)
    assert torch.equal(ranks.argsort(), score.argsort())
    torch.testing.assert_close(soft_rank(100.0 * score, mask, 50), ranks)


def test_rank_ic_of_a_sample_follows_its_generator() -> None:
    score, target, mask = day(300)

    def sampled(seed: int) -> Tensor:
        return rank_ic_loss(score, target, mask, n_partners=20, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(sampled(1), sampled(1))
    assert not torch.equal(sampled(1), sampled(2))
    many = torch.stack([sampled(seed) for seed in range(50)]).mean()
    torch.testing.assert_close(many, rank_ic_loss(score, target, mask, n_partners=300), atol=0.01, rtol=0)


def test_cs_ic_oracle() -> None:
    score, target, mask = day()
    expected = 1.0 - pearsonr(score[mask], target[mask]).statistic
    assert cs_ic_loss(score, target, mask).item() == pytest.approx(expected, abs=1e-5)


def test_huber_by_hand() -> None:
    score, target = torch.tensor([1.0, 0.0, 5.0, 9.0]), torch.tensor([0.5, 0.0, 2.0, 0.0])
    mask = torch.tensor([True, True, True, False])
    assert huber_loss(score, target, mask).item() == pytest.approx((0.125 + 0.0 + 2.5) / 3)
    assert huber_loss(score, target, mask, delta=2.0).item() == pytest.approx((0.125 + 0.0 + 4.0) / 3)


def test_quantile_equals_sklearn() -> None:
    _, target, mask = day()
    quantiles = torch.randn(40, 3)
    expected = np.mean(
        [mean_pinball_loss(target[mask], quantiles[mask, i], alpha=level) for i, level in enumerate(LEVELS)]
    )
    assert quantile_loss(quantiles, target, mask, LEVELS).item() == pytest.approx(expected, rel=1e-5)


def test_path_by_hand() -> None:
    path, target = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [1.0, float("nan")]])
    mask = torch.tensor([[True, True], [True, False]])
    assert path_loss(path, target, mask).item() == pytest.approx((1.0 + 4.0 + 4.0) / 3)
