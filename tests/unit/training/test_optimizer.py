"""Learning rates written out, and which parameters decay."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from atft_pipeline.sections import TrainingSettings
from atft_pipeline.training.optimizer import learning_rate, make_optimizer, set_learning_rate


def test_warm_up_then_cosine() -> None:
    rates = [learning_rate(step, 12, 1.0, 2 / 12) for step in range(12)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert rates[7] == pytest.approx(0.5)
    assert all(a > b > 0 for a, b in pairwise(rates[2:]))
    assert [learning_rate(step, 2, 0.1, 0.0) for step in range(2)] == pytest.approx([0.1, 0.05])


def test_only_matrices_decay_and_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    model[2].weight.requires_grad_(False)
    groups = make_optimizer(model, TrainingSettings(weight_decay=0.01)).param_groups
    assert [(group["weight_decay"], sum(p.numel() for p in group["params"])) for group in groups] == [
        (0.01, 12),
        (0.0, 4 + 8 + 1),
    ]


def test_the_rate_reaches_every_group() -> None:
    optimizer = make_optimizer(nn.Linear(2, 2), TrainingSettings())
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    assert isinstance(optimizer, torch.optim.AdamW)
