"""Remembers the best weights of a phase by its validation score, and says when to stop waiting for better ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class EarlyStopping:
    """Best epoch of one phase; a score that is NaN (constant predictions) is worse than any number.

    Attributes:
        patience: epochs without improvement after which the phase ends.
        best_score: highest score so far.
        best_epoch: its epoch, counted from 1; 0 before the first.
        waited: epochs since then.
        weights: the model's state at the best epoch.
    """

    patience: int
    best_score: float = -math.inf
    best_epoch: int = 0
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def observe(self, epoch: int, score: float, model: nn.Module) -> None:
        """Note the score of an epoch, and the weights if it is the first or the best."""
        if self.best_epoch == 0 or score > self.best_score:
            self.best_score = score if math.isfinite(score) else -math.inf
            self.best_epoch, self.waited = epoch, 0
            self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            self.waited += 1

    @property
    def exhausted(self) -> bool:
        """Patience is used up."""
        return self.waited >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into the model; nothing to do if no epoch was observed."""
        if self.weights:
            model.load_state_dict(self.weights)
