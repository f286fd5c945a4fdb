"""What the network returns: scores by horizon, and what else it knows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Prediction(dict[int, Tensor]):
    """Scores {horizon: [N]}, in units of the normalized target; higher is better.

    Attributes:
        quantiles: {horizon: [N, Q]}, ascending along Q; empty for a head without quantiles.
        levels: the Q probability levels of the quantiles.
        path: [N, P] forecast of the normalized one-day targets of the next P sessions, or None.
        selection: [N, S] variable-selection weights of the last step, summing to 1; columns as in the model's
            `group_names`.
    """

    def __init__(
        self,
        scores: Mapping[int, Tensor],
        *,
        selection: Tensor,
        quantiles: Mapping[int, Tensor] | None = None,
        levels: tuple[float, ...] = (),
        path: Tensor | None = None,
    ) -> None:
        super().__init__(scores)
        self.selection = selection
        self.quantiles = dict(quantiles or {})
        self.levels = levels
        self.path = path
