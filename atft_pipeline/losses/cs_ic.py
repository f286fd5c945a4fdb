"""Cross-sectional information coefficient as a loss."""

from __future__ import annotations

from torch import Tensor

from atft_pipeline.losses.rows import pearson, prepared, usable


def cs_ic_rows(score: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """`1 - Pearson(s, y)` for every row: [B, N] -> [B]; 0 for rows that are too short."""
    return (1.0 - pearson(prepared(score, mask), prepared(target, mask), mask)) * usable(mask)


def cs_ic_loss(score: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """IC loss of one day: `1 - Pearson(s, y)`, within [0, 2]; 1 where score or target has no spread.

    Missing data: masked stocks are left out; fewer than 3 valid stocks give 0.

    Args:
        score: [N].
        target: [N], normalized.
        mask: bool [N].
    """
    return cs_ic_rows(score[None], target[None], mask[None])[0]
