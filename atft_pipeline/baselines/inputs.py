"""What a baseline sees of a day: the last step of the network's own input."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class DayStore(Protocol):
    """The part of `cache.store.ArrowCache` that baselines need; C codes, F features, K horizons."""

    @property
    def codes(self) -> Sequence[str]:
        """C codes in the order of every array's code axis."""
        ...

    @property
    def feature_names(self) -> Sequence[str]:
        """F names of the feature axis."""
        ...

    @property
    def horizons(self) -> Sequence[int]:
        """K horizons in sessions."""
        ...

    def window(self, day: date, length: int) -> Floats:
        """[L, C, F], cross-section columns normalized with nulls 0, time-series columns raw with nulls NaN."""
        ...

    def mask(self, day: date) -> NDArray[np.bool_]:
        """[C], in the universe on `day`."""
        ...

    def targets(self, day: date) -> Floats:
        """[C, K], normalized, NaN unknown."""
        ...


class FoldAffine(Protocol):
    """The part of `normalization.affine.Affine` that baselines need: what the fold's training dates fitted."""

    @property
    def center(self) -> Floats:
        """[F], 0 for columns that are normalized in the cross-section."""
        ...

    @property
    def scale(self) -> Floats:
        """[F], 1 for columns that are normalized in the cross-section."""
        ...


def day_inputs(cache: DayStore, day: date, affine: FoldAffine) -> NDArray[np.float64]:
    """Inputs of the day's universe, (x - center) / scale with unknown values 0: [N, F] in the cache's code order."""
    raw = cache.window(day, 1)[0][cache.mask(day)].astype(np.float64)
    return np.asarray(np.nan_to_num((raw - affine.center) / affine.scale, nan=0.0, posinf=0.0, neginf=0.0))


def day_codes(cache: DayStore, day: date) -> list[str]:
    """Codes of the day's universe, in the order of `day_inputs`' rows."""
    return [code for code, inside in zip(cache.codes, cache.mask(day), strict=True) if inside]
