"""No model is scored on dates it trained on."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.evaluation.held_out import no_model_is_scored_on_dates_it_trained_on
from atft_pipeline.sections import FoldSettings
from tests.unit.evaluation.builders import days, predictions_table

SESSIONS = days(20)


def test_rows_that_meet_a_training_label_are_named() -> None:
    predictions = predictions_table({"m": np.zeros((20, 2))}, n_folds=2)
    # fold_0 is scored on 0..9 and was trained on 12: labels [7, 12] to [9, 14] meet [12, 17]; fold_1 is sound
    found = no_model_is_scored_on_dates_it_trained_on(
        predictions, {"fold_0": [SESSIONS[12]], "fold_1": [SESSIONS[4]]}, SESSIONS, horizon=5
    )
    assert found.rows() == [("m", "fold_0", SESSIONS[n]) for n in (7, 8, 9)]


def test_a_sound_fold_table_has_no_offending_row() -> None:
    sessions = days(120)
    table = FoldTable.build(sessions, sessions[:-5], FoldSettings(n_folds=3, horizon=5, embargo=5, holdout=20))
    predictions = predictions_table({"m": np.zeros((120, 1))}, n_folds=1)
    fold = {day: fold.name for fold in table.folds for day in fold.test} | dict.fromkeys(table.holdout, "holdout")
    rows = predictions.filter(predictions["Date"].is_in(list(fold)))
    rows = rows.with_columns(fold=rows["Date"].replace_strict(fold))
    found = no_model_is_scored_on_dates_it_trained_on(rows, table.train_dates, table.sessions, table.horizon)
    assert found.is_empty()
    live = rows.with_columns(fold=rows["Code"].replace_strict({"13000": "full"}))
    assert len(no_model_is_scored_on_dates_it_trained_on(live, table.train_dates, table.sessions, 5)) == len(fold)


def test_a_fold_without_training_dates_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"\['fold_1'\]"):
        no_model_is_scored_on_dates_it_trained_on(
            predictions_table({"m": np.zeros((20, 2))}), {"fold_0": []}, SESSIONS, horizon=5
        )
