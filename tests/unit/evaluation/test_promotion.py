"""Promotion of a recipe: each outcome, with its reason."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import sharpe_ratio
from atft_pipeline.evaluation.promotion import Promotion, decide
from atft_pipeline.sections import EvaluationSettings
from tests.unit.evaluation.builders import days

SETTINGS = EvaluationSettings(bootstrap_samples=300)
RANDOM = np.random.default_rng(21)
NOISE = RANDOM.standard_normal(400)


def daily(
    rank_ic: NDArray[np.float64], *, net: NDArray[np.float64] | None = None, scale: float = 0.4, coverage: float = 1.0
) -> pl.DataFrame:
    """The columns of the daily table that a decision reads; 5-session figures."""
    dates: list[date] = days(len(rank_ic))
    return pl.DataFrame(
        {
            "Date": dates,
            "horizon": pl.Series([5] * len(dates), dtype=pl.Int32),
            "fold": ["fold_0"] * len(dates),
            "rank_ic": rank_ic,
            "net": rank_ic if net is None else net,
            "scale": [scale] * len(dates),
            "coverage": [coverage] * len(dates),
        }
    )


CHAMPION = daily(0.03 + 0.05 * NOISE, net=0.002 + 0.01 * NOISE)
BETTER = daily(0.04 + 0.05 * NOISE, net=0.003 + 0.01 * NOISE)
WORSE = daily(0.01 + 0.05 * NOISE, net=0.002 + 0.01 * NOISE)


def test_a_better_recipe_is_promoted_with_its_figures() -> None:
    decision = decide(BETTER, CHAMPION, SETTINGS)
    assert decision.outcome == "promoted"
    assert decision.promoted
    assert decision.figures["champion_rank_ic_difference"] == pytest.approx(0.01)
    assert decision.figures["champion_rank_ic_bound"] == pytest.approx(
        0.01
    )  # the same noise: the difference is constant
    expected = sharpe_ratio(BETTER["net"].to_numpy(), 5) - sharpe_ratio(CHAMPION["net"].to_numpy(), 5)
    assert decision.figures["champion_sharpe_difference"] == pytest.approx(expected)
    assert all(reason.startswith("holds") for reason in decision.reasons)


def test_a_worse_recipe_is_rejected() -> None:
    decision = decide(WORSE, CHAMPION, SETTINGS)
    assert decision.outcome == "rejected"
    assert any(reason.startswith("failed: mean RankIC gain on the champion -0.0200") for reason in decision.reasons)


def test_a_better_mean_with_an_uncertain_difference_is_rejected() -> None:
    wild = daily(0.031 + 0.5 * RANDOM.permutation(NOISE - NOISE.mean()), net=0.002 + 0.01 * NOISE)
    decision = decide(wild, CHAMPION, SETTINGS)
    assert decision.figures["champion_rank_ic_difference"] > 0
    assert decision.outcome == "rejected"
    assert any("failed: 5% bound of the RankIC" in reason for reason in decision.reasons)


def test_a_lower_net_sharpe_is_rejected_whatever_the_rank_ic() -> None:
    costly = daily(0.05 + 0.05 * NOISE, net=0.0 + 0.01 * NOISE)
    decision = decide(costly, CHAMPION, SETTINGS)
    assert decision.outcome == "rejected"
    assert any("failed: 5% bound of the net Sharpe" in reason for reason in decision.reasons)


def test_the_champion_against_itself_is_no_worse() -> None:
    decision = decide(CHAMPION, CHAMPION, SETTINGS)
    assert decision.outcome == "promoted"
    assert decision.figures["champion_rank_ic_difference"] == 0.0
    assert decision.figures["champion_sharpe_bound"] == 0.0


def test_too_few_blocks_are_undecided() -> None:
    decision = decide(BETTER[:199], CHAMPION[:199], SETTINGS)
    assert decision.outcome == "undecided"
    assert decide(BETTER[:200], CHAMPION[:200], SETTINGS).outcome == "promoted"


def test_other_sessions_are_undecided() -> None:
    decision = decide(BETTER[1:], CHAMPION[:-1], SETTINGS)
    assert decision.outcome == "undecided"
    assert "other sessions" in decision.reasons[0]


def test_a_failed_gate_rejects_even_where_the_comparison_is_undecided() -> None:
    decision = decide(daily(0.04 + 0.05 * NOISE[:100], scale=0.0), CHAMPION, SETTINGS)
    assert decision.outcome == "rejected"


def test_the_anchor_guards_against_slow_decline() -> None:
    strong = daily(0.08 + 0.05 * NOISE, net=0.002 + 0.01 * NOISE)
    decision = decide(BETTER, CHAMPION, SETTINGS, anchor=strong)
    assert decision.outcome == "rejected"
    assert any("anchor" in reason and reason.startswith("failed") for reason in decision.reasons)


def test_a_failed_check_rejects() -> None:
    decision = decide(BETTER, CHAMPION, SETTINGS, checks={"no_fold_overlaps": False, "inputs_are_current": True})
    assert decision.outcome == "rejected"
    assert "check failed: no_fold_overlaps" in decision.reasons


def test_first_model_needs_only_its_gates() -> None:
    decision = decide(BETTER[:50], None, SETTINGS)
    assert decision.outcome == "promoted"
    assert "first model" in decision.reasons[0]


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (daily(-0.01 + 0.0 * NOISE), "mean RankIC -0.0100 is not above 0"),
        (daily(0.01 + 0.0 * NOISE, scale=0.0), "mean SCALE 0.0000 is not above 0"),
        (daily(0.01 + 0.0 * NOISE, coverage=0.9), "coverage 90.0% is below 95%"),
        (daily(np.full(50, np.nan)), "mean RankIC nan"),
    ],
)
def test_first_model_is_rejected_by_any_gate(candidate: pl.DataFrame, reason: str) -> None:
    decision = decide(candidate, None, SETTINGS)
    assert decision.outcome == "rejected"
    assert reason in "\n".join(decision.reasons)


def test_row_order_does_not_matter_and_seed_decides() -> None:
    shuffled = BETTER.sample(fraction=1.0, shuffle=True, seed=1)
    assert decide(shuffled, CHAMPION, SETTINGS) == decide(BETTER, CHAMPION, SETTINGS)


def test_a_mixture_of_series_or_the_holdout_is_refused() -> None:
    with pytest.raises(EvaluationError, match="one row per out-of-fold session"):
        decide(pl.concat([BETTER, BETTER]), CHAMPION, SETTINGS)
    with pytest.raises(EvaluationError, match="holdout"):
        decide(BETTER.with_columns(fold=pl.lit("holdout")), CHAMPION, SETTINGS)


def test_decision_comes_back_from_its_file(tmp_path: Path) -> None:
    decision = decide(BETTER, CHAMPION, SETTINGS)
    decision.save(tmp_path)
    assert Promotion.load(tmp_path) == decision
