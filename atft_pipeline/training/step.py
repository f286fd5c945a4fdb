"""One optimizer step over the days of an effective batch, in one or several micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from atft_pipeline.losses import CompositeLoss, MicroBatch, sharpe_day_weights
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.model.prediction import Prediction
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.checkpoint import random_states, restore_random_states
from atft_pipeline.training.diagnostics import day_spread


@dataclass(frozen=True)
class StepResult:
    """What a step tells: tensors, not floats, so that the device is not waited for.

    Attributes:
        parts: parts of the loss before weighting, over the effective batch, and the weighted "total".
        spread: mean daily standard deviation of the scores of the monitored horizon.
    """

    parts: dict[str, Tensor]
    spread: Tensor


def forward(model: AtftGatFan, batch: Batch, settings: Settings) -> Prediction:
    """Prediction of a batch; in bfloat16 if the settings say so and the batch is on a GPU."""
    device = batch.x.device.type
    with torch.autocast(
        device, dtype=torch.bfloat16, enabled=device == "cuda" and settings.device.precision == "bfloat16"
    ):
        prediction: Prediction = model(batch.x, batch.mask, batch.graph, batch.family_mask)
    return prediction


def accumulate_gradients(
    model: AtftGatFan, loss: CompositeLoss, micro_batches: Sequence[Batch], settings: Settings, device: torch.device
) -> StepResult:
    """Gradients of the effective batch's loss, added to `.grad`.

    The Sharpe loss is not additive over micro-batches. With more than one of them the first pass, without gradient,
    finds the return of every day; the second back-propagates each micro-batch with the days' weights. Both passes of a
    micro-batch start from the same random state, so dropout agrees.
    """
    places = _second_pass_places(model, loss, micro_batches, settings, device)
    monitored = settings.training.monitor_horizon
    parts: dict[str, Tensor] = {}
    spreads = []
    for host_batch, (place, state) in zip(micro_batches, places, strict=True):
        if state:
            restore_random_states(state, device=device)
        batch = host_batch.to(device)
        prediction = forward(model, batch, settings)
        total, found = loss(prediction, batch, place)
        torch.autograd.backward(total)
        for name, value in (found | {"total": total.detach()}).items():
            parts[name] = parts[name] + value if name in parts else value
        spreads.append(day_spread(prediction[monitored].detach().float(), batch.day_index, batch.n_days))
    return StepResult(parts, torch.stack(spreads).mean())


Place = tuple[MicroBatch | None, dict[str, Tensor]]


def _second_pass_places(
    model: AtftGatFan, loss: CompositeLoss, micro_batches: Sequence[Batch], settings: Settings, device: torch.device
) -> list[Place]:
    """Each micro-batch's place in the effective batch, and the random state its first pass started from."""
    if len(micro_batches) == 1:
        return [(None, {})]
    n_days = sum(batch.n_days for batch in micro_batches)
    returns, states = [], []
    with torch.no_grad():
        for batch in micro_batches:
            states.append(random_states(device=device))
            moved = batch.to(device)
            returns.append(loss.day_returns(forward(model, moved, settings), moved))
    weights = torch.split(sharpe_day_weights(torch.cat(returns)), [batch.n_days for batch in micro_batches])
    return [(MicroBatch(n_days, w), state) for w, state in zip(weights, states, strict=True)]


def apply_gradients(model: nn.Module, optimizer: torch.optim.Optimizer, clip_norm: float) -> None:
    """Clip the global gradient norm, step, and clear the gradients."""
    nn.utils.clip_grad_norm_((p for p in model.parameters() if p.grad is not None), clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
