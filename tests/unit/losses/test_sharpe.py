"""Sharpe loss: sign, oracle, and the weights of its two passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from atft_pipeline.losses import portfolio_returns, sharpe_day_weights, sharpe_loss
from atft_pipeline.losses.sharpe import FLOOR


def days(n_days: int = 10, n_stocks: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.randn(n_days, n_stocks),
        0.02 * torch.randn(n_days, n_stocks),
        torch.rand(n_days, n_stocks) > 0.2,
    )


def oracle_returns(scores: Tensor, returns: Tensor, mask: Tensor) -> list[float]:
    found = []
    for s, y, m in zip(scores.numpy(), returns.numpy(), mask.numpy(), strict=True):
        held, earned = s[m].astype(float), y[m].astype(float)
        earned = np.clip(earned, *np.quantile(earned, [0.005, 0.995]))
        weights = (held - held.mean()) / np.abs(held - held.mean()).sum()
        found.append(float((weights * earned).sum()))
    return found


def test_oracle() -> None:
    scores, returns, mask = days()
    r = np.array(oracle_returns(scores, returns, mask))
    np.testing.assert_allclose(portfolio_returns(scores, returns, mask), r, atol=1e-7)
    assert sharpe_loss(scores, returns, mask).item() == pytest.approx(-r.mean() / (r.std() + FLOOR), rel=1e-4)


def test_a_perfect_forecast_is_positive_and_its_negation_the_opposite() -> None:
    _, returns, mask = days()
    good, bad = sharpe_loss(returns, returns, mask), sharpe_loss(-returns, returns, mask)
    assert -good.item() > 1.0
    torch.testing.assert_close(bad, -good)


def test_the_book_is_neutral_and_of_gross_one() -> None:
    scores, _, mask = days()
    torch.testing.assert_close(portfolio_returns(scores, torch.full_like(scores, 0.1), mask), torch.zeros(10))
    sign = torch.where(scores > (scores * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True), 0.1, -0.1)
    torch.testing.assert_close(portfolio_returns(scores, sign, mask), torch.full((10,), 0.1))


def test_day_weights_are_the_gradient() -> None:
    r = (0.01 * torch.randn(8, 3, dtype=torch.float64)).requires_grad_()
    loss = (-r.mean(0) / (r.std(0, correction=0) + FLOOR)).sum()
    torch.autograd.backward(loss)
    assert r.grad is not None
    torch.testing.assert_close(sharpe_day_weights(r), r.grad, rtol=1e-9, atol=0)


def test_one_day_or_equal_days_have_a_finite_gradient() -> None:
    for n_days in (1, 3):
        one, returns, mask = days(1)
        scores = one.expand(n_days, -1).clone().requires_grad_()
        loss = sharpe_loss(scores, returns.expand(n_days, -1), mask.expand(n_days, -1))
        torch.autograd.backward(loss)
        assert loss.isfinite()
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
        assert scores.grad.abs().max() > 0.0
        weights = sharpe_day_weights(torch.full((n_days,), 0.01))
        torch.testing.assert_close(weights, torch.full((n_days,), -1.0 / (n_days * FLOOR)), rtol=1e-3, atol=0)
