"""Ridge regression in closed form: the linear model that the network has to beat with the same inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.baselines.inputs import DayStore, FoldAffine, day_inputs
from atft_pipeline.errors import EvaluationError

Array = NDArray[np.float64]

BLOCK_ROWS = 16_384
"""Rows of one matrix product: one per day costs more in handing work to threads than in arithmetic."""


@dataclass(frozen=True)
class Moments:
    """Sums over rows of a set of days, one per horizon: X'X [K, F, F], X'y [K, F] and the number of rows [K]."""

    xx: Array
    xy: Array
    rows: NDArray[np.int64]

    @classmethod
    def collect(cls, days: Iterable[tuple[Array, Array]], n_features: int, n_horizons: int) -> Self:
        """Over days of (x [N, F], y [N, K]); a row counts for a horizon if its target is known.

        Days are added in the order given, in blocks of whole days, so equal days give equal bits.
        """
        total = cls(
            np.zeros((n_horizons, n_features, n_features)),
            np.zeros((n_horizons, n_features)),
            np.zeros(n_horizons, dtype=np.int64),
        )
        block: list[tuple[Array, Array]] = []
        for day in days:
            block.append(day)
            if sum(len(y) for _, y in block) >= BLOCK_ROWS:
                total._add(block)
                block = []
        if block:
            total._add(block)
        return total

    def _add(self, block: list[tuple[Array, Array]]) -> None:
        x, y = (np.concatenate(parts) for parts in zip(*block, strict=True))
        known = np.isfinite(y)
        product = x.T @ x
        self.xy[:] += np.where(known, y, 0.0).T @ x
        self.rows[:] += known.sum(axis=0)
        for k in range(len(self.rows)):
            # few targets are unknown: one product of all rows, less that of the unknown, serves every horizon
            unknown = x[~known[:, k]]
            self.xx[k] += product - unknown.T @ unknown

    def solve(self, alpha: float) -> Array:
        """Coefficients [K, F] that minimize mean squared error + alpha |b|^2, without intercept.

        (X'X + alpha n I) b = X'y. The penalty is scaled by the rows n, so that its strength does not fade with the
        length of the history. Targets are centred within each day, which leaves an intercept nothing to do.

        Raises:
            EvaluationError: a horizon has no row with a known target.
        """
        if not self.rows.all():
            raise EvaluationError(
                f"rows with a known target by horizon = {self.rows.tolist()}; each needs at least 1.",
                remedy="Give training dates whose labels are realized.",
            )
        identity = np.eye(self.xx.shape[-1])
        return np.stack(
            [
                np.linalg.solve(xx + alpha * n * identity, xy)
                for xx, xy, n in zip(self.xx, self.xy, self.rows, strict=True)
            ]
        )


def fit_ridge(cache: DayStore, days: Iterable[date], affine: FoldAffine, alpha: float) -> Array:
    """Coefficients [K, F], one solution per horizon of the cache, from the universes of `days`.

    Args:
        cache: inputs and normalized targets.
        days: training dates of the fold.
        affine: fitted on the same dates.
        alpha: penalty per row, in units of the inputs' variance; `settings.evaluation.ridge_alpha`.
    """
    pairs = ((day_inputs(cache, day, affine), cache.targets(day)[cache.mask(day)].astype(np.float64)) for day in days)
    return Moments.collect(pairs, len(cache.feature_names), len(cache.horizons)).solve(alpha)
