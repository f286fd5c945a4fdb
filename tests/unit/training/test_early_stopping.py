"""Best weights of a phase, and patience."""

from __future__ import annotations

import math

import torch
from torch import nn

from atft_pipeline.training.early_stopping import EarlyStopping


def run(scores: list[float], patience: int = 2) -> tuple[EarlyStopping, float]:
    """Observe scores; the weight of epoch n is n. Returns the state and the restored weight."""
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(patience)
    for epoch, score in enumerate(scores, start=1):
        nn.init.constant_(model.weight, float(epoch))
        stopping.observe(epoch, score, model)
        if stopping.exhausted:
            break
    stopping.restore(model)
    return stopping, float(model.weight.item())


def test_best_weights_come_back() -> None:
    stopping, weight = run([0.1, 0.3, 0.2])
    assert (stopping.best_epoch, stopping.best_score, stopping.waited, weight) == (2, 0.3, 1, 2.0)
    assert not stopping.exhausted


def test_patience_ends_the_phase() -> None:
    stopping, weight = run([0.3, 0.2, 0.3, 0.9])
    assert stopping.exhausted
    assert (stopping.best_epoch, weight) == (1, 1.0)  # an equal score is no improvement


def test_nan_is_worse_than_any_number() -> None:
    stopping, weight = run([math.nan, -0.5, math.nan])
    assert (stopping.best_epoch, weight) == (2, 2.0)


def test_saved_weights_do_not_follow_the_model() -> None:
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(1)
    stopping.observe(1, 0.1, model)
    saved = stopping.weights["weight"].clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    assert torch.equal(stopping.weights["weight"], saved)
