"""The fold table: what is held out, how validation is cut, the independent checker, and its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atft_pipeline.drawing import to_png
from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.evaluation.plots import fold_timeline
from atft_pipeline.sections import FoldSettings
from tests.unit.evaluation.builders import days

SETTINGS = FoldSettings(n_folds=3, horizon=5, embargo=5, holdout=30, validation_share=0.15)


def build(n_days: int = 200, settings: FoldSettings = SETTINGS) -> FoldTable:
    sessions = days(n_days)
    return FoldTable.build(sessions, sessions[: -settings.horizon], settings, first=sessions[10])


def test_dates_of_a_small_table_written_out() -> None:
    sessions = days(200)
    table = build()
    assert table.holdout == tuple(sessions[165:195])
    assert table.before_holdout == tuple(sessions[10:160])  # the label of day 159 ends on 164
    assert table.full_train == tuple(sessions[10:195])
    first = table.folds[0]
    assert first.test == tuple(sessions[10:60])
    # 90 sessions from 70 on are left; 14 validate (146..159), and labels from 141 on would reach them
    assert first.validation == tuple(sessions[146:160])
    assert first.train == tuple(sessions[70:141])


def test_no_overlap_in_a_sound_table() -> None:
    assert build().overlaps() == []


@pytest.mark.parametrize("n_days", [150, 190, 260])
@pytest.mark.parametrize("lookback", [0, 8])
@pytest.mark.parametrize("n_folds", [2, 4])
def test_checker_finds_nothing_whatever_the_sizes(n_days: int, lookback: int, n_folds: int) -> None:
    settings = SETTINGS.model_copy(update={"lookback": lookback, "n_folds": n_folds, "validation_share": 0.3})
    assert build(n_days, settings).overlaps() == []


def test_checker_finds_a_planted_overlap() -> None:
    table = build()
    fold = table.folds[1]
    too_close = table.sessions[table.sessions.index(fold.test[0]) - 5]
    bad = replace(table, folds=(replace(fold, train=(too_close, *fold.train)),))
    assert [(o.role, o.train_day, o.held_out_day) for o in bad.overlaps()] == [("test", too_close, fold.test[0])]


def test_checker_finds_a_day_inside_the_embargo_and_one_in_the_holdout() -> None:
    table = build()
    fold = table.folds[0]
    embargoed = table.sessions[table.sessions.index(fold.test[-1]) + 5 + 5]
    bad = replace(table, folds=(replace(fold, train=(embargoed, *fold.train, table.holdout[-1])),))
    assert {(o.role, o.train_day) for o in bad.overlaps()} == {
        ("test", embargoed),
        ("holdout", table.holdout[-1]),
    }


def test_file_is_the_same_bytes_and_comes_back(tmp_path: Path) -> None:
    table = build()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        table.save(tmp_path / name)
    assert FoldTable.load(tmp_path / "a") == table
    files = [(tmp_path / name / "fold_table.json").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


def test_training_dates_name_every_fold_and_hold_validation() -> None:
    table = build()
    assert set(table.train_dates) == {"fold_0", "fold_1", "fold_2", "holdout", "full"}
    assert set(table.folds[0].validation) <= set(table.train_dates["fold_0"])
    assert not set(table.train_dates["holdout"]) & set(table.holdout)


def test_no_holdout_is_possible() -> None:
    table = build(settings=SETTINGS.model_copy(update={"holdout": 0}))
    assert table.holdout == ()
    assert table.before_holdout[-1] == days(200)[194]


def test_refusals() -> None:
    with pytest.raises(EvaluationError, match=r"folds\.holdout = 30 leaves none"):
        build(45)
    with pytest.raises(EvaluationError, match="no sessions"):
        FoldTable.build(days(100), [*days(100), days(102)[-1]], SETTINGS)


def test_timeline_is_a_png_of_equal_bytes() -> None:
    picture = to_png(fold_timeline(build()))
    assert picture.startswith(b"\x89PNG")
    assert picture == to_png(fold_timeline(build()))


def test_frame_has_a_row_per_fold_and_one_for_the_holdout() -> None:
    frame = build().to_frame()
    assert frame["fold"].to_list() == ["fold_0", "fold_1", "fold_2", "holdout"]
    assert frame["test"].to_list() == [50, 50, 50, 30]
