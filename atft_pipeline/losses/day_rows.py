"""From stocks of several days laid side by side to one padded row per day: a loop over days would cost far more."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DayRows:
    """Places of a batch's stocks in a table of one row per day.

    Attributes:
        place: int64 [D, M], the stock in each cell (0 in cells without one), M the most stocks of a day.
        filled: bool [D, M], whether the cell holds a stock.
    """

    place: Tensor
    filled: Tensor

    @classmethod
    def of(cls, day_index: Tensor, n_days: int) -> DayRows:
        """Rows from each stock's day, [N] with values in [0, n_days); stocks need not be sorted by day."""
        counts = torch.bincount(day_index, minlength=n_days)
        order = torch.argsort(day_index, stable=True)
        column = torch.arange(int(counts.max()) if len(day_index) else 0, device=day_index.device)
        filled = column < counts.unsqueeze(1)
        starts = (counts.cumsum(0) - counts).unsqueeze(1)
        place = order[torch.where(filled, starts + column, 0)] if len(day_index) else filled.long()
        return cls(place, filled)

    def spread(self, values: Tensor) -> Tensor:
        """[N, ...] -> [D, M, ...]; empty cells repeat some stock and are False in every mask."""
        return values.index_select(0, self.place.flatten()).view(*self.place.shape, *values.shape[1:])

    def by_horizon(self, values: Tensor) -> Tensor:
        """[N, K] -> [D, K, M]: cross-sections in the last axis."""
        return self.spread(values).transpose(1, 2).contiguous()
