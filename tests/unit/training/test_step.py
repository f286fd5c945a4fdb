"""One optimizer step: the same gradient however the effective batch is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from atft_pipeline.losses import CompositeLoss
from atft_pipeline.model import AtftGatFan
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.step import StepResult, accumulate_gradients, apply_gradients
from tests.unit.cache.world import small_settings
from tests.unit.training.lab import CPU, lab

DETERMINATE = {"model__dropout": 0.0, "model__graph__edge_dropout": 0.0, "model__graph__drop_path": 0.0}


def micro_batches(size: int) -> list[Batch]:
    days = lab().world.sessions[10:18]
    return [lab().source().batch(days[start : start + size]) for start in range(0, 8, size)]


def gradients(settings: Settings, batches: Sequence[Batch]) -> tuple[dict[str, Tensor], StepResult, AtftGatFan]:
    model = lab().model(settings).train()
    torch.manual_seed(1)
    result = accumulate_gradients(model, CompositeLoss(settings.loss, (1, 5, 10, 20)), batches, settings, CPU)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found, result, model


# rank_ic samples pairs at random per micro-batch, so it is left out where cuts are compared
@pytest.mark.parametrize("size", [4, 2, 1])
def test_gradient_does_not_depend_on_the_cut(size: int) -> None:
    settings = small_settings(**DETERMINATE, loss__rank_ic=0.0)
    whole, one, _ = gradients(settings, micro_batches(8))
    cut, several, _ = gradients(settings, micro_batches(size))
    assert whole.keys() == cut.keys()
    flat, other = (torch.cat([found[name].flatten() for name in whole]) for found in (whole, cut))
    assert (flat - other).norm() <= 1e-6 * flat.norm()
    torch.testing.assert_close(one.spread, several.spread, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(one.parts["huber"], several.parts["huber"], rtol=1e-5, atol=1e-7)


def test_both_passes_draw_the_same_dropout() -> None:
    """With dropout the two passes must see one network: else the weights g_d belong to other returns r_d."""
    settings = small_settings(model__dropout=0.5, loss__rank_ic=0.0)
    loss = CompositeLoss(settings.loss, (1, 5, 10, 20))
    seen: list[list[Tensor]] = []
    model = lab().model(settings).train()
    model.register_forward_hook(lambda module, args, output: seen.append([v.detach().clone() for v in output.values()]))
    accumulate_gradients(model, loss, micro_batches(4), settings, CPU)
    assert len(seen) == 4
    for first, second in ((seen[0], seen[2]), (seen[1], seen[3])):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert seen[0][0].shape == seen[0][1].shape


def test_gradients_are_clipped_applied_and_cleared() -> None:
    settings = small_settings()
    _, _, model = gradients(settings, micro_batches(8))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    apply_gradients(model, torch.optim.SGD(model.parameters(), lr=1.0), clip_norm=0.01)
    moved = torch.sqrt(
        sum(((p.detach() - before[n]).square().sum() for n, p in model.named_parameters()), torch.zeros(()))
    )
    assert moved.item() == pytest.approx(0.01, rel=1e-3)
    assert all(p.grad is None for p in model.parameters())
