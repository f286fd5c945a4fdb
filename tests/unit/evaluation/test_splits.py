"""PurgedKFold: written-out folds, sizes of the reference case, and refusals."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.splits import PurgedKFold, purge
from tests.unit.evaluation.builders import FIRST, days


def numbers(dates: tuple[date, ...]) -> list[int]:
    return [(day - FIRST).days for day in dates]


def test_reference_case_has_the_documented_training_sizes() -> None:
    folds = PurgedKFold(5, horizon=20, embargo=20).split(days(500))
    assert [len(fold.train) for fold in folds] == [360, 340, 340, 340, 380]
    assert [len(fold.test) for fold in folds] == [100] * 5
    assert [fold.name for fold in folds] == ["fold_0", "fold_1", "fold_2", "fold_3", "fold_4"]


def test_tiny_folds_written_out() -> None:
    """12 days, 3 blocks of 4, labels [t, t + 1], one day of embargo after the last label."""
    folds = PurgedKFold(3, horizon=1, embargo=1).split(days(12))
    assert [(numbers(fold.train), numbers(fold.test)) for fold in folds] == [
        ([6, 7, 8, 9, 10, 11], [0, 1, 2, 3]),  # label of 3 ends on 4, embargo takes 5
        ([0, 1, 2, 10, 11], [4, 5, 6, 7]),  # label of 3 reaches 4; label of 7 ends on 8, embargo takes 9
        ([0, 1, 2, 3, 4, 5, 6], [8, 9, 10, 11]),
    ]


def test_lookback_makes_features_disjoint() -> None:
    """Test days 4..7 read features of 1..7: a training day must end before 1 or reach back no further than 8."""
    fold = PurgedKFold(3, horizon=1, embargo=0, lookback=3).split(days(12))[1]
    assert numbers(fold.train) == [0, 11]


def test_blocks_differ_by_one_day_at_most_and_cover_every_date() -> None:
    folds = PurgedKFold(3, horizon=1, embargo=0).split(days(14))
    assert [len(fold.test) for fold in folds] == [5, 5, 4]
    assert [n for fold in folds for n in numbers(fold.test)] == list(range(14))


def test_purge_treats_every_run_of_held_out_days_apart() -> None:
    kept = purge(np.arange(12), np.array([2, 7]), horizon=1, embargo=0)
    assert kept.tolist() == [0, 4, 5, 9, 10, 11]


def test_nothing_held_out_drops_nothing() -> None:
    assert purge(np.arange(3), np.array([], dtype=np.int64), horizon=5, embargo=5).tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", [[*days(40)[20:], *days(40)[:20]], [*days(40), days(40)[-1]]])
def test_unsorted_or_repeated_dates_are_refused(wrong: list[date]) -> None:
    with pytest.raises(EvaluationError, match="not strictly ascending"):
        PurgedKFold(2, horizon=1, embargo=0).split(wrong)


def test_too_few_dates_are_refused() -> None:
    with pytest.raises(EvaluationError, match="fewer than n_folds"):
        PurgedKFold(5, horizon=1, embargo=0).split(days(4))
    with pytest.raises(EvaluationError, match="fold_0 has no training date left"):
        PurgedKFold(3, horizon=20, embargo=20).split(days(60))


@pytest.mark.parametrize(("name", "value"), [("n_folds", 1), ("horizon", 0), ("embargo", -1), ("lookback", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(EvaluationError, match=f"{name} = {value}"):
        PurgedKFold(**({"n_folds": 3, "horizon": 1, "embargo": 0} | {name: value}))
