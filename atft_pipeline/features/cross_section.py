"""Figures over the stocks of one day: quintiles, and leave-one-out figures of a group such as an industry.

Only members of universe(t) with a value count. Sums run in the order of the codes, so the same rows give the same
bits whatever order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.features.windows import RELATIVE_ZERO, Array

MIN_PEERS = 2
"""Other stocks of the group that a leave-one-out mean needs: with one, the figure is that stock's own."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Members of a classification on each day; a stock with group -1 belongs to none and gets NaN.

    Attributes:
        group: number of the stock's group [D, C].
        member: in universe(t) [D, C].
    """

    group: NDArray[np.int64]
    member: NDArray[np.bool_]

    def size(self) -> Array:
        """Members of the stock's group [D, C], the stock included."""
        return self._spread(np.bincount(self._key).astype(np.float64)[self._key])

    def peer_mean(self, values: Array) -> Array:
        """Mean over the other members with a value [D, C]; NaN with fewer than `MIN_PEERS` of them."""
        known, own = self._known(values)
        n, total = self._peers(known), self._peers(own)
        return self._spread(total / np.where(n >= MIN_PEERS, n, np.nan))

    def peer_z(self, values: Array) -> Array:
        """Own value minus the peers' mean, over the peers' standard deviation (ddof 1, three peers or more) [D, C]."""
        known, own = self._known(values)
        n, total, squares = self._peers(known), self._peers(own), self._peers(own * own)
        n = np.where(n > MIN_PEERS, n, np.nan)
        variance = (squares - total * total / n) / (n - 1)
        variance = np.where(variance > RELATIVE_ZERO * squares, variance, np.nan)
        return self._spread((values.reshape(-1)[self._cells] - total / n) / np.sqrt(variance))

    def rank(self, values: Array) -> Array:
        """Place among the members with a value [D, C]: 0 lowest .. 1 highest, ties averaged; NaN below three."""
        rank, n = _rank_within(self._key, values.reshape(-1)[self._cells])
        return self._spread((rank - 1.0) / np.where(n > MIN_PEERS, n - 1.0, np.nan))

    @cached_property
    def _cells(self) -> NDArray[np.intp]:
        """Places in a flattened [D, C]: one number is several times as fast to gather by as a pair."""
        return np.flatnonzero(self.member & (self.group >= 0))

    @cached_property
    def _key(self) -> NDArray[np.int64]:
        """One number per (day, group), for each cell."""
        n_groups = int(self.group.max(initial=0)) + 1
        day = self._cells // max(self.group.shape[1], 1)
        return np.asarray(day * n_groups + self.group.reshape(-1)[self._cells], dtype=np.int64)

    def _known(self, values: Array) -> tuple[Array, Array]:
        """Per cell: 1 where there is a value, else 0; and the value, else 0."""
        own = values.reshape(-1)[self._cells]
        known = np.isfinite(own)
        return known.astype(np.float64), np.where(known, own, 0.0)

    def _peers(self, own: Array) -> Array:
        """Sum over the other members, per cell."""
        return np.asarray(np.bincount(self._key, weights=own)[self._key] - own if len(own) else own)

    def _spread(self, cells: Array) -> Array:
        out = np.full(self.group.size, np.nan)
        out[self._cells] = cells
        return out.reshape(self.group.shape)


def quintile(values: Array, member: NDArray[np.bool_]) -> Array:
    """Quintile of each member within its day [D, C]: `ceil(5 rank / n)`, 1 lowest .. 5 highest, ties averaged."""
    cells = np.nonzero(member)
    rank, n = _rank_within(cells[0], values[cells])
    out = np.full(values.shape, np.nan)
    out[cells] = np.ceil(5.0 * rank / n)
    return out


def _rank_within(key: NDArray[np.int64], values: Array) -> tuple[Array, Array]:
    """Average rank of each value within its key, NaN for NaN, and how many values the key has.

    The quotient is left to numpy: polars multiplies by the reciprocal of a count, and 5 * 105 / 105 is above 5 then.
    """
    value = pl.col("value")
    frame = pl.DataFrame({"key": key, "value": values}).with_columns(value.fill_nan(None))
    ranked = frame.select(
        value.rank("average").over("key").alias("rank"), value.count().over("key").cast(pl.Float64).alias("n")
    )
    return ranked["rank"].to_numpy(), ranked["n"].to_numpy()
