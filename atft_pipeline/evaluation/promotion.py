"""Whether a new model replaces the champion: a change of recipe, judged out of fold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.fold_table import HOLDOUT
from atft_pipeline.evaluation.metrics import (
    bootstrap_bounds,
    mean_block,
    resampled_mean,
    resampled_sharpe,
    sharpe_ratio,
)
from atft_pipeline.evaluation.metrics.series import SESSIONS_PER_YEAR
from atft_pipeline.sections import EvaluationSettings

FILE = "promotion.json"
MIN_COVERAGE = 0.95
LOWER_BOUND = 0.05

Array = NDArray[np.float64]
Outcome = Literal["promoted", "rejected", "undecided"]


@dataclass(frozen=True)
class Promotion:
    """A decision, the sentences that justify it, and the figures behind them."""

    outcome: Outcome
    reasons: tuple[str, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        """True if the candidate becomes the champion."""
        return self.outcome == "promoted"

    def save(self, directory: Path) -> None:
        """Write `promotion.json`."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)
        (directory / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        tree = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return cls(tree["outcome"], tuple(tree["reasons"]), tree["figures"])


def decide(
    candidate: pl.DataFrame,
    champion: pl.DataFrame | None,
    settings: EvaluationSettings,
    *,
    anchor: pl.DataFrame | None = None,
    checks: Mapping[str, bool] | None = None,
    seed: int = 0,
) -> Promotion:
    """Judge a change of recipe by out-of-fold scores on the same frozen fold table.

    d_t = m_candidate - m_champion by session. Promoted if the mean of d is >= 0 for RankIC, its bootstrap 5% bound is
    above `min_rank_ic_difference`, and that of the difference of net Sharpe ratios above `min_sharpe_difference`, the
    same against the anchor, and every check holds. Undecided, so the champion stays, on fewer than `min_blocks` mean
    bootstrap blocks or on other sessions than the champion's. Without a champion: promoted if the gates hold.

    Args:
        candidate: rows of the daily table for ONE model, horizon, entry and flagged value; the holdout left out.
        champion: the champion's rows for the same, or None for the first model.
        settings: section `evaluation`.
        anchor: rows of the champion of 12 months ago, if there is one.
        checks: statements about the candidate that must hold, e.g. {"no_fold_overlaps": True}.
        seed: of the bootstrap.

    Raises:
        EvaluationError: a frame holds several series, or sessions twice.
    """
    candidate = _one_series(candidate, "candidate")
    reasons, figures = _gates(candidate)
    reasons += [f"check failed: {name}" for name, holds in (checks or {}).items() if not holds]
    outcomes: list[Outcome] = ["rejected"] if reasons else []
    for name, rival in (("champion", champion), ("anchor", anchor)):
        if rival is not None:
            outcome, why, found = _against(candidate, _one_series(rival, name), name, settings, seed)
            outcomes, reasons, figures = [*outcomes, outcome], reasons + why, figures | found
    if champion is None and not outcomes:
        reasons.append("first model: there is no champion, and every gate holds")
    if "rejected" in outcomes:
        return Promotion("rejected", tuple(reasons), figures)
    if "undecided" in outcomes:
        return Promotion("undecided", tuple(reasons), figures)
    return Promotion("promoted", tuple(reasons), figures)


def _gates(candidate: pl.DataFrame) -> tuple[list[str], dict[str, float]]:
    """What any candidate must show: RankIC and SCALE above 0, coverage; failures as sentences."""
    figures = {name: _mean(_series(candidate, name)) for name in ("rank_ic", "scale", "coverage")}
    reasons = []
    for name, label in (("rank_ic", "RankIC"), ("scale", "SCALE")):
        if not figures[name] > 0.0:
            reasons.append(f"gate failed: mean {label} {figures[name]:.4f} is not above 0")
    if not figures["coverage"] >= MIN_COVERAGE:
        reasons.append(f"gate failed: coverage {figures['coverage']:.1%} is below {MIN_COVERAGE:.0%}")
    return reasons, figures


def _against(
    candidate: pl.DataFrame, rival: pl.DataFrame, name: str, settings: EvaluationSettings, seed: int
) -> tuple[Outcome, list[str], dict[str, float]]:
    """Outcome, sentences and figures of one comparison."""
    if candidate["Date"].to_list() != rival["Date"].to_list():
        return "undecided", [f"undecided: the {name} was scored on other sessions; score both on one fold table"], {}
    horizon = int(candidate["horizon"][0])
    blocks = len(candidate) / mean_block(horizon)
    if blocks < settings.min_blocks:
        why = f"undecided: {blocks:.1f} bootstrap blocks against the {name}, at least {settings.min_blocks} are needed"
        return "undecided", [why], {f"{name}_blocks": blocks}
    both = np.stack([_series(frame, column) for frame in (candidate, rival) for column in ("rank_ic", "net")], axis=1)
    mean = _mean(both[:, 0] - both[:, 2])
    rank_ic_bound, sharpe_bound = (
        bootstrap_bounds(
            both,
            statistic,
            horizon=horizon,
            samples=settings.bootstrap_samples,
            seed=seed,
            quantiles=(LOWER_BOUND,),
        )[0]
        for statistic in (_rank_ic_difference, _sharpe_difference)
    )
    sharpe_bound *= math.sqrt(SESSIONS_PER_YEAR / horizon)
    figures = {
        f"{name}_blocks": blocks,
        f"{name}_rank_ic_difference": mean,
        f"{name}_rank_ic_bound": rank_ic_bound,
        f"{name}_sharpe_difference": sharpe_ratio(both[:, 1], horizon) - sharpe_ratio(both[:, 3], horizon),
        f"{name}_sharpe_bound": sharpe_bound,
    }
    low, worst = settings.min_rank_ic_difference, settings.min_sharpe_difference
    tests = (
        (mean >= 0.0, f"mean RankIC gain on the {name} {mean:+.4f}, limit 0"),
        (rank_ic_bound > low, f"5% bound of the RankIC gain on the {name} {rank_ic_bound:+.4f}, limit {low}"),
        (
            sharpe_bound > worst,
            f"5% bound of the net Sharpe gain on the {name} {sharpe_bound:+.2f}, limit {worst}",
        ),
    )
    sentences = [f"{'holds' if holds else 'failed'}: {sentence}" for holds, sentence in tests]
    return "promoted" if all(holds for holds, _ in tests) else "rejected", sentences, figures


def _rank_ic_difference(both: Array) -> Array:
    """[B, T, 4] of candidate RankIC, net, rival RankIC, net -> mean difference of RankIC [B]."""
    return resampled_mean(both[:, :, 0] - both[:, :, 2])


def _sharpe_difference(both: Array) -> Array:
    """[B, T, 4] as above -> difference of mean / std of the net returns [B]."""
    return resampled_sharpe(both[:, :, 1]) - resampled_sharpe(both[:, :, 3])


def _one_series(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows sorted by session; refuses a mixture of series."""
    if frame.is_empty() or frame["Date"].is_duplicated().any() or (frame["fold"] == HOLDOUT).any():
        raise EvaluationError(
            f"{name} has {len(frame)} rows over {frame['Date'].n_unique()} sessions, folds"
            f" {sorted(set(frame['fold']))}: one row per out-of-fold session is needed.",
            remedy="Filter the daily table to one model, horizon, entry and flagged value, without the holdout.",
        )
    return frame.sort("Date")


def _series(frame: pl.DataFrame, name: str) -> Array:
    return frame[name].cast(pl.Float64).fill_null(math.nan).to_numpy()


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
