"""Signs of a model that cannot learn: dead inputs, collapsed predictions, paths without gradient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from atft_pipeline.errors import DeadInput, TrainingError
from atft_pipeline.features.contract import Contract
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.training.batch import Batch

SPARSE = 0.5
"""A column that promises to be active on a smaller share of days is dead only if it is never active."""

MIN_SPREAD = 1e-6
"""Inputs are scaled to a spread of about 1; below this there is none."""

EMA = 0.9
COLLAPSE_RATIO = 0.1
COLLAPSE_CHECKS = 3


def dead_inputs(batch: Batch, contract: Contract) -> list[str]:
    """Names of columns without spread in a batch, as the model would see them.

    A column over stocks or sectors is dead if it is constant over the stocks on most of the batch's days (on all of
    them if the contract calls it sparse); one that is the same for a whole market or section is dead if it is
    constant over days and sessions of the window.

    Args:
        batch: several days, best spread over the whole training time.
        contract: columns in the order of the batch's features.
    """
    x, mask = batch.x.numpy(), batch.mask.numpy()
    day_of = batch.day_index.numpy()
    moving = np.zeros(x.shape[2])
    for day in range(batch.n_days):
        last = x[-1, (day_of == day) & mask[-1]]
        moving += (np.ptp(last, axis=0) > MIN_SPREAD) if len(last) else 0
    varies = np.ptp(x[mask], axis=0) > MIN_SPREAD
    dead = []
    for f, column in enumerate(contract.columns):
        if column.scope in ("market", "section"):
            alive = bool(varies[f])
        elif column.min_active_share < SPARSE:
            alive = moving[f] > 0
        else:
            alive = moving[f] > batch.n_days / 2
        if not alive:
            dead.append(column.name)
    return dead


def require_live_inputs(batch: Batch, contract: Contract, max_share: float) -> list[str]:
    """The dead inputs of a batch, if they are few.

    Raises:
        DeadInput: more than `max_share` of the columns are dead, or a whole family is.
    """
    dead = dead_inputs(batch, contract)
    families = [
        family
        for family in contract.families
        if all(column.name in dead for column in contract.columns if column.family == family)
    ]
    if len(dead) > max_share * len(contract.columns) or families:
        raise DeadInput(
            f"{len(dead)} of {len(contract.columns)} inputs have no spread (limit {max_share:.0%}):"
            f" {', '.join(dead[:12])}; whole families: {', '.join(families) or 'none'}.",
            remedy="Look at these columns in arrow_cache and features; training on them teaches nothing.",
        )
    return dead


def require_paths(model: AtftGatFan, batch: Batch) -> None:
    """Prove in eval mode that scores depend on the last step of the input and, with a graph, on neighbours.

    Raises:
        TrainingError: one of the two gradients is zero everywhere.
    """
    was_training = model.training
    model.eval()
    x = batch.x.clone().requires_grad_()
    scores = torch.stack(list(model(x, batch.mask, batch.graph, batch.family_mask).values()))
    (gradient,) = torch.autograd.grad(scores.sum(), x, retain_graph=True)
    problem = "the last step of the window" if not gradient[-1].any() else None
    if problem is None and "graph" in model.active and batch.graph is not None:
        source, target = batch.graph.edge_index
        between = (source < batch.graph.n_stocks) & (target < batch.graph.n_stocks)
        if between.any():
            receivers = torch.unique(target[between])
            chosen = receivers[:: max(1, len(receivers) // 8)]
            # a stock's own gradient says nothing: only what reaches stocks other than the chosen ones counts
            (gradient,) = torch.autograd.grad(scores[:, chosen].sum(), x)
            gradient[:, chosen] = 0.0
            problem = None if gradient.any() else "any neighbour in the graph"
    model.train(was_training)
    if problem:
        raise TrainingError(
            f"d score / d x is zero for {problem}.", remedy="Look for a gate, mask or norm that cuts this input off."
        )


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """L2 norm of the gradient of each direct child module, 0 for one without gradient."""
    norms = {}
    for name, child in model.named_children():
        squares = [parameter.grad.square().sum() for parameter in child.parameters() if parameter.grad is not None]
        norms[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
    return norms


def day_spread(scores: Tensor, day_index: Tensor, n_days: int) -> Tensor:
    """Mean over days of the population standard deviation of scores over the day's stocks: a scalar.

    Args:
        scores: [N].
        day_index: [N] day of each stock.
        n_days: D.
    """
    count = torch.bincount(day_index, minlength=n_days).clamp_min(1)
    mean = scores.new_zeros(n_days).index_add(0, day_index, scores) / count
    square = scores.new_zeros(n_days).index_add(0, day_index, (scores - mean[day_index]) ** 2) / count
    return square.sqrt().mean()


@dataclass
class SpreadWatch:
    """Watches the spread of predictions as an exponential average over steps.

    Collapse: three checks running found it below `min_spread`, or below a tenth of the largest spread seen. The
    second limit is relative because a sound model of noisy returns may shrink its scores far below the target's
    spread, but it does not lose them.
    """

    min_spread: float
    average: float = 0.0
    largest: float = 0.0
    low_checks: int = field(default=0)

    def observe(self, spreads: list[float]) -> None:
        """Note the spreads of the latest steps and check once."""
        for spread in spreads:
            self.average = spread if self.largest == 0.0 else EMA * self.average + (1.0 - EMA) * spread
            self.largest = max(self.largest, self.average)
        low = self.average < max(self.min_spread, COLLAPSE_RATIO * self.largest)
        self.low_checks = self.low_checks + 1 if low else 0

    @property
    def collapsed(self) -> bool:
        """Three low checks in a row."""
        return self.low_checks >= COLLAPSE_CHECKS
