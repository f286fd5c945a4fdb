"""The composite: sums by hand, two passes, parts that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from atft_pipeline.errors import SettingsError
from atft_pipeline.losses import (
    CompositeLoss,
    MicroBatch,
    cs_ic_loss,
    huber_loss,
    list_net,
    list_net_kl,
    path_loss,
    quantile_loss,
    rank_ic_loss,
    sharpe_day_weights,
    sharpe_loss,
)
from atft_pipeline.model import Prediction
from atft_pipeline.sections import LossSettings

HORIZONS = (1, 5)
LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Day:
    """Labels and forecasts of some days side by side."""

    targets: Tensor
    target_mask: Tensor
    returns: Tensor
    path: Tensor
    path_mask: Tensor
    day_index: Tensor
    n_days: int
    scores: Tensor
    quantiles: Tensor
    forecast: Tensor

    @property
    def prediction(self) -> Prediction:
        return Prediction(
            dict(zip(HORIZONS, self.scores.unbind(1), strict=True)),
            selection=torch.ones(len(self.scores), 1),
            quantiles=dict(zip(HORIZONS, self.quantiles.unbind(1), strict=True)),
            levels=LEVELS,
            path=self.forecast,
        )

    def days(self, first: int, last: int) -> Day:
        """The days first .. last - 1."""
        keep = (self.day_index >= first) & (self.day_index < last)
        parts = {name: value[keep] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Day(**(parts | {"day_index": parts["day_index"] - first}), n_days=last - first)


def labels(sizes: tuple[int, ...]) -> Day:
    n = sum(sizes)
    mask, path_mask = torch.rand(n, 2) > 0.1, torch.rand(n, 4) > 0.1
    return Day(
        targets=torch.where(mask, torch.randn(n, 2), torch.nan),
        target_mask=mask,
        returns=torch.where(mask, 0.02 * torch.randn(n, 2), torch.nan),
        path=torch.where(path_mask, torch.randn(n, 4), torch.nan),
        path_mask=path_mask,
        day_index=torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)),
        n_days=len(sizes),
        scores=torch.randn(n, 2),
        quantiles=torch.randn(n, 2, 3).sort(-1).values,
        forecast=torch.randn(n, 4),
    )


def weighted(**weights: float) -> LossSettings:
    """Only these parts."""
    names = ("list_net", "sharpe", "rank_ic", "cs_ic", "huber", "quantile", "path")
    return LossSettings.model_validate(dict.fromkeys(names, 0.0) | weights)


def test_parts_are_means_over_days_and_horizons() -> None:
    batch, settings = labels((40, 25, 33)), LossSettings(top_k=10, horizon_weights=(3.0, 1.0))
    total, parts = CompositeLoss(settings, HORIZONS)(batch.prediction, batch)
    days = [batch.days(d, d + 1) for d in range(3)]

    of_day: dict[str, Callable[[Day, Tensor, Tensor, Tensor, int], Tensor]] = {
        "list_net": lambda d, s, y, m, k: list_net(s, y, m, top_k=10),
        "list_net_kl": lambda d, s, y, m, k: list_net_kl(s, y, m, top_k=10),
        "rank_ic": lambda d, s, y, m, k: rank_ic_loss(s, y, m),
        "cs_ic": lambda d, s, y, m, k: cs_ic_loss(s, y, m),
        "huber": lambda d, s, y, m, k: huber_loss(s, y, m),
        "quantile": lambda d, s, y, m, k: quantile_loss(d.quantiles[:, k], y, m, LEVELS),
    }
    for name, one in of_day.items():
        expected = 0.0
        for k, weight in enumerate((0.75, 0.25)):
            values = [float(one(d, d.scores[:, k], d.targets[:, k], d.target_mask[:, k], k)) for d in days]
            expected += weight * sum(values) / 3
        assert parts[name].item() == pytest.approx(expected, rel=1e-4), name
    path = torch.stack([path_loss(d.forecast, d.path, d.path_mask) for d in days]).mean()
    torch.testing.assert_close(parts["path"], path)
    in_total = [getattr(settings, name) * value for name, value in parts.items() if name != "list_net_kl"]
    torch.testing.assert_close(total, torch.stack(in_total).sum())


def test_the_sharpe_part_is_over_the_days() -> None:
    batch = labels((30,) * 9)
    _, parts = CompositeLoss(weighted(sharpe=1.0), HORIZONS)(batch.prediction, batch)
    by_day = [
        sharpe_loss(
            batch.scores[:, k].view(9, 30), batch.returns[:, k].view(9, 30), batch.target_mask[:, k].view(9, 30)
        )
        for k in range(2)
    ]
    torch.testing.assert_close(parts["sharpe"], torch.stack(by_day).mean())


@pytest.mark.parametrize("size", [1, 2, 8])
def test_two_passes_give_the_gradient_of_the_whole(size: int) -> None:
    """Micro-batches of 1, 2 and 8 days, to 1e-6 of the gradient's size."""
    torch.manual_seed(1)
    batch = labels((30, 22, 41, 35, 28, 30, 19, 33))
    loss = CompositeLoss(LossSettings(), HORIZONS)
    scores = batch.scores.clone().requires_grad_()
    whole = replace(batch, scores=scores)
    (expected,) = torch.autograd.grad(loss(whole.prediction, whole)[0], scores)

    micro = [whole.days(start, start + size) for start in range(0, 8, size)]
    with torch.no_grad():
        weights = sharpe_day_weights(torch.cat([loss.day_returns(part.prediction, part) for part in micro]))
    total = torch.zeros(())
    for part, own in zip(micro, torch.split(weights, size), strict=True):
        total = total + loss(part.prediction, part, MicroBatch(8, own))[0]
    (found,) = torch.autograd.grad(total, scores)
    assert ((found - expected).norm() / expected.norm()).item() < 1e-6


def test_unknown_labels_pass_no_gradient() -> None:
    batch = labels((30, 20))
    leaves = [t.clone().requires_grad_() for t in (batch.scores, batch.quantiles, batch.forecast)]
    live = replace(batch, scores=leaves[0], quantiles=leaves[1], forecast=leaves[2])
    total, _ = CompositeLoss(LossSettings(), HORIZONS)(live.prediction, live)
    torch.autograd.backward(total)
    for leaf, mask in zip(leaves, (batch.target_mask, batch.target_mask, batch.path_mask), strict=True):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad[~mask].abs().max() == 0.0
        assert leaf.grad[mask].abs().max() > 0.0


def test_a_part_without_weight_or_forecast_is_absent() -> None:
    batch = labels((30, 20))
    apex = Prediction(dict(batch.prediction), selection=torch.ones(50, 1))
    _, parts = CompositeLoss(LossSettings(cs_ic=0.0), HORIZONS)(apex, batch)
    assert set(parts) == {"list_net", "list_net_kl", "sharpe", "rank_ic", "huber"}


def test_a_day_without_labels_counts_as_zero() -> None:
    batch = labels((30, 20))
    known = batch.target_mask & (batch.day_index == 0).unsqueeze(1)
    both = CompositeLoss(weighted(cs_ic=1.0), HORIZONS)(batch.prediction, replace(batch, target_mask=known))[0]
    first = batch.days(0, 1)
    alone = CompositeLoss(weighted(cs_ic=1.0), HORIZONS)(first.prediction, first)[0]
    torch.testing.assert_close(both, alone / 2)


def test_bfloat16_scores_are_lifted() -> None:
    batch = labels((30, 20))
    half = replace(batch, scores=batch.scores.bfloat16(), quantiles=batch.quantiles.bfloat16())
    full = replace(batch, scores=half.scores.float(), quantiles=half.quantiles.float())
    loss = CompositeLoss(LossSettings(), HORIZONS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = loss(half.prediction, half)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(full.prediction, full)[0])


def test_a_loss_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="every weight"):
        CompositeLoss(weighted(), HORIZONS)
    with pytest.raises(SettingsError, match="not all 0"):
        CompositeLoss(LossSettings(horizon_weights=(0.0, 0.0)), HORIZONS)
    with pytest.raises(SettingsError, match="one weight each"):
        CompositeLoss(LossSettings(horizon_weights=(1.0,)), HORIZONS)


def test_a_loss_of_forecasts_that_are_missing_is_refused() -> None:
    batch = labels((30, 20))
    apex = Prediction(dict(batch.prediction), selection=torch.ones(50, 1))
    with pytest.raises(SettingsError, match="does not hold"):
        CompositeLoss(weighted(quantile=1.0), HORIZONS)(apex, batch)
