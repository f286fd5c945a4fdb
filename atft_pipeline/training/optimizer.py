"""AdamW, and the learning rate of a phase: linear warm-up, then a cosine to zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from atft_pipeline.sections import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW over the parameters that are trainable now; vectors (biases, norms, gates) are not decayed.

    Source: Loshchilov and Hutter (2019), decoupled weight decay.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.learning_rate)


def learning_rate(step: int, n_steps: int, base: float, warmup_share: float) -> float:
    """Learning rate of step 0 .. n_steps - 1 of a phase.

    Formula: with w = warmup_share * n_steps, base * (step + 1) / (w + 1) while step < w, then
    base * (1 + cos(pi * (step - w) / (n_steps - w))) / 2. A function of the step alone: nothing to save or restore.
    """
    warmup = warmup_share * n_steps
    if step < warmup:
        return base * (step + 1) / (warmup + 1)
    return base * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(n_steps - warmup, 1.0)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
