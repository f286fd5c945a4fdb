"""Forward returns as the losses see them: comparable between days, without the tail of a single name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.normalization.cross_section import robust_z

WINSOR = 3.0


def normalize_target(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Robust z of each day (median, 1.4826 MAD), winsorized at 3, then mean 0 and deviation 1 (ddof 0) again.

    Missing data: NaN stays NaN and takes no part; a day with fewer than 20 known returns, or without spread, is NaN
    throughout.

    Args:
        values: one day's raw forward returns [N], or days by stocks [D, N].

    Returns:
        The same shape, float64.
    """
    days = np.atleast_2d(np.asarray(values, dtype=np.float64))
    z = robust_z(days.T, clip=WINSOR).T
    known = np.isfinite(z)
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, z - np.where(known, z, 0.0).sum(axis=1, keepdims=True) / n, 0.0)
    deviation = np.sqrt((centred * centred).sum(axis=1, keepdims=True) / n)
    out = np.where(known, centred / np.where(deviation > 0, deviation, np.nan), np.nan)
    return out.reshape(np.shape(values))
