"""PurgedKFold against brute force over sets of sessions, for any sizes."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.evaluation.splits import PurgedKFold
from atft_pipeline.sections import FoldSettings

START = date(2020, 1, 1)


def allowed(s: int, test: list[int], horizon: int, embargo: int, lookback: int) -> bool:
    """May day s be trained on? Set by set, from the definition."""
    label = set(range(s, s + horizon + 1))
    if any(label & set(range(t, t + horizon + 1)) for t in test):
        return False
    end = max(test) + horizon
    if end < s <= end + embargo:
        return False
    features = set(range(s - lookback, s + 1))
    return lookback == 0 or not any(features & set(range(t - lookback, t + 1)) for t in test)


@given(
    n_days=st.integers(4, 90),
    n_folds=st.integers(2, 6),
    horizon=st.integers(1, 8),
    embargo=st.integers(0, 8),
    lookback=st.integers(0, 8),
)
def test_training_days_are_exactly_the_allowed_ones(
    n_days: int, n_folds: int, horizon: int, embargo: int, lookback: int
) -> None:
    dates = [START + timedelta(days=3 * i) for i in range(n_days)]
    blocks = [block.tolist() for block in np.array_split(np.arange(n_days), n_folds)]
    expected = [[s for s in range(n_days) if allowed(s, b, horizon, embargo, lookback)] if b else [] for b in blocks]
    try:
        folds = PurgedKFold(n_folds, horizon, embargo, lookback).split(dates)
    except EvaluationError:
        assert n_days < n_folds or not all(expected)
        return
    assert [[dates.index(day) for day in fold.train] for fold in folds] == expected
    assert [[dates.index(day) for day in fold.test] for fold in folds] == blocks


@given(
    n_days=st.integers(60, 160),
    n_folds=st.integers(2, 5),
    horizon=st.integers(1, 6),
    embargo=st.integers(0, 6),
    lookback=st.integers(0, 6),
    share=st.floats(0.05, 0.5),
    holdout=st.integers(0, 12),
)
def test_a_fold_table_that_can_be_built_has_no_overlap(
    n_days: int, n_folds: int, horizon: int, embargo: int, lookback: int, share: float, holdout: int
) -> None:
    settings = FoldSettings(
        n_folds=n_folds, horizon=horizon, embargo=embargo, lookback=lookback, validation_share=share, holdout=holdout
    )
    dates = [START + timedelta(days=i) for i in range(n_days)]
    try:
        table = FoldTable.build(dates, dates[: n_days - horizon], settings)
    except EvaluationError:
        return
    assert table.overlaps() == []
    for fold in table.folds:
        parts = [set(fold.train), set(fold.validation), set(fold.test), set(table.holdout)]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert all(parts[:3])
