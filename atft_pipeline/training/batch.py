"""One training batch: whole days, side by side along the stock axis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import torch
from torch import Tensor

from atft_pipeline.model.graph import BatchGraph


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of one or several days; N counts the stocks of all of them, day after day.

    A day is never cut. Nothing in a model mixes stocks except through edges, and no edge joins two days, so computing
    several days at once is exact.

    Attributes:
        x: [L, N, F] scaled features, 0 where unknown.
        mask: [L, N] the stock was in the universe on that session of the window.
        family_mask: [L, N, G] the family's values are known.
        targets: [N, K] normalized targets, 0 where unknown.
        target_mask: [N, K] the target is known.
        returns: [N, K] forward returns of the chosen entry, 0 where unknown.
        path: [N, P] normalized one-session moves of the next P sessions, 0 where unknown.
        path_mask: [N, P].
        day_index: [N] position of the stock's day in `days`.
        graph: edges of all days as one block-diagonal graph; None without a graph.
        codes: the N codes.
        days: the days.
    """

    x: Tensor
    mask: Tensor
    family_mask: Tensor
    targets: Tensor
    target_mask: Tensor
    returns: Tensor
    path: Tensor
    path_mask: Tensor
    day_index: Tensor
    graph: BatchGraph | None
    codes: tuple[str, ...]
    days: tuple[date, ...]

    @property
    def n_days(self) -> int:
        """Number of days."""
        return len(self.days)

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        graph = None if self.graph is None else self.graph.to(device)
        return Batch(**moved, graph=graph, codes=self.codes, days=self.days)
