"""Purged folds over trading dates: no training label shares a session with a test label.

The closed convention of Lopez de Prado (2018), chapter 7: the label of day t occupies the sessions [t, t + h], both
ends included, because the price at the close of t + h is in the label of t and in the decision of t + h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Dates of one fold, each tuple ascending. `validation` is empty until a fold table cuts it from `train`."""

    name: str
    train: tuple[date, ...]
    test: tuple[date, ...]
    validation: tuple[date, ...] = ()


def purge(candidates: Positions, held_out: Positions, *, horizon: int, embargo: int, lookback: int = 0) -> Positions:
    """Those candidates that may be trained on while `held_out` is judged.

    For every run [a, b] of consecutive held-out sessions, a candidate s is dropped if its label interval [s, s + h]
    meets [a, b + h], if it lies in the `embargo` sessions after b + h, or, with `lookback` > 0, if its features
    [s - lookback, s] meet theirs [a - lookback, b].

    Args:
        candidates: session positions, any order.
        held_out: session positions of the test or validation days, any order.
        horizon: h, sessions of the label.
        embargo: sessions after the last held-out label that are dropped as well.
        lookback: sessions before a day that its features reach back to; 0 leaves features out of the rule.
    """
    days = np.unique(held_out)
    runs = np.split(days, np.flatnonzero(np.diff(days) > 1) + 1) if len(days) else []
    keep = np.ones(len(candidates), dtype=bool)
    for run in runs:
        first, last = run[0], run[-1]
        keep &= (candidates < first - horizon) | (candidates > last + horizon + embargo)
        if lookback > 0:
            keep &= (candidates <= first - lookback - 1) | (candidates - lookback > last)
    return candidates[keep]


@dataclass(frozen=True)
class PurgedKFold:
    """K contiguous test blocks over dates; each fold trains on what purge and embargo leave on both sides.

    Args:
        n_folds: number of test blocks, sizes differing by one at most (the first are the larger).
        horizon: longest label, in sessions.
        embargo: sessions dropped after the last label of the test block.
        lookback: > 0 makes the features disjoint as well, in sessions.

    Raises:
        EvaluationError: a number is out of range.
    """

    n_folds: int
    horizon: int
    embargo: int
    lookback: int = 0

    def __post_init__(self) -> None:
        for name, limit in (("n_folds", 2), ("horizon", 1), ("embargo", 0), ("lookback", 0)):
            value = getattr(self, name)
            if value < limit:
                raise EvaluationError(
                    f"{name} = {value} is below its limit {limit}.",
                    remedy=f"Give {name} >= {limit}.",
                )

    def split(self, dates: Sequence[date]) -> list[Fold]:
        """Folds over `dates`, which count as consecutive sessions; any strictly ascending values will do.

        Where a session is missing from `dates` the distance in positions is the shorter one, so the purge drops
        more than it must, never less.

        Raises:
            EvaluationError: dates not strictly ascending, or so few that a fold has no test or no training day.
        """
        days = list(dates)
        for before, after in pairwise(days):
            if not before < after:
                raise EvaluationError(
                    f"dates are not strictly ascending: {after} follows {before}.",
                    remedy="Give sorted trading dates without duplicates, not rows of the panel.",
                )
        if len(days) < self.n_folds:
            raise EvaluationError(
                f"{len(days)} dates are fewer than n_folds = {self.n_folds}.", remedy="Give more dates or fewer folds."
            )
        positions = np.arange(len(days), dtype=np.int64)
        folds = []
        for number, block in enumerate(np.array_split(positions, self.n_folds)):
            train = purge(positions, block, horizon=self.horizon, embargo=self.embargo, lookback=self.lookback)
            if not len(train):
                raise EvaluationError(
                    f"fold_{number} has no training date left: {len(days)} dates, n_folds = {self.n_folds},"
                    f" horizon = {self.horizon}, embargo = {self.embargo}, lookback = {self.lookback}.",
                    remedy="Give more dates, or a smaller embargo.",
                )
            folds.append(Fold(f"fold_{number}", tuple(days[i] for i in train), tuple(days[i] for i in block)))
        return folds
