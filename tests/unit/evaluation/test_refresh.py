"""Gates of a refresh: each defect stops it, small changes do not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atft_pipeline.evaluation.promotion import Promotion
from atft_pipeline.evaluation.refresh import refresh_gate
from tests.unit.evaluation.builders import days, long_table, predictions_table

RANDOM = np.random.default_rng(31)
OLD = RANDOM.standard_normal((8, 60))
NEW = OLD + 0.3 * RANDOM.standard_normal((8, 60))
CHAMPION = predictions_table({"m": OLD})
UNIVERSE = long_table(OLD, "unused").select("Date", "Code")


def gate(
    scores: NDArray[np.float64] | pl.DataFrame, *, contracts: tuple[str, str] = ("a", "a"), scale: float = 0.3
) -> Promotion:
    candidate = scores if isinstance(scores, pl.DataFrame) else predictions_table({"m": scores})
    return refresh_gate(candidate, CHAMPION, UNIVERSE, contracts=contracts, scale=scale)


def test_a_small_change_passes() -> None:
    decision = gate(NEW)
    assert decision.outcome == "promoted"
    assert decision.figures["spearman"] > 0.8
    assert decision.figures["coverage"] == 1.0


def test_only_the_last_five_sessions_count() -> None:
    early = NEW.copy()
    early[:3] = -early[:3]
    assert gate(early).outcome == "promoted"
    early[3] = -early[3]
    assert gate(early).outcome == "rejected"


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        ({"contracts": ("a", "b")}, "contract a differs"),
        ({"scale": 0.0}, "SCALE 0.000"),
        ({"scale": float("nan")}, "SCALE nan"),
    ],
)
def test_contract_and_scale(defect: dict[str, object], reason: str) -> None:
    decision = gate(NEW, **defect)  # type: ignore[arg-type]
    assert decision.outcome == "rejected"
    assert reason in "\n".join(decision.reasons)


def test_a_missing_score_is_a_defect() -> None:
    candidate = predictions_table({"m": NEW})
    broken = candidate.with_columns(
        score=pl.when(pl.col("Code") == "13000").then(float("nan")).otherwise(pl.col("score"))
    )
    decision = gate(broken)
    assert decision.outcome == "rejected"
    assert "16 scores are missing" in "\n".join(decision.reasons)


def test_coverage_is_that_of_the_worst_session() -> None:
    sparse = NEW.copy()
    sparse[6, :4] = np.nan
    decision = gate(sparse)
    assert decision.figures["coverage"] == pytest.approx(56 / 60)
    assert "coverage 93.3% is below 95%" in "\n".join(decision.reasons)


def test_constant_scores_do_not_agree_with_anything() -> None:
    flat = NEW.copy()
    flat[-1] = 1.0
    assert gate(flat).figures["spearman"] == -1.0


def test_drift_of_the_scores_is_measured_by_horizon() -> None:
    candidate = predictions_table({"m": NEW})
    reference = {1: (5.0 + OLD).ravel().tolist(), 5: OLD.ravel().tolist()}
    decision = refresh_gate(candidate, CHAMPION, UNIVERSE, contracts=("a", "a"), scale=0.3, reference=reference)
    assert decision.outcome == "rejected"
    assert [reason for reason in decision.reasons if "PSI" in reason] == [decision.reasons[0]]
    assert decision.figures["psi_1"] > 1.0 > decision.figures["psi_5"]


def test_no_session_in_common_is_rejected() -> None:
    later = predictions_table({"m": NEW}).with_columns(pl.col("Date").dt.offset_by("60d"))
    decision = refresh_gate(later, CHAMPION, UNIVERSE, contracts=("a", "a"), scale=0.3)
    assert decision.outcome == "rejected"
    assert days(1)[0] < later["Date"][0]
