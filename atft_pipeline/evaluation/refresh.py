"""Gates of a refresh: the same recipe on newer data may go live unless something about it is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from atft_pipeline.evaluation.metrics import population_stability_index, psi_limit, rank_ic
from atft_pipeline.evaluation.panel import dense
from atft_pipeline.evaluation.promotion import MIN_COVERAGE, Promotion

MIN_SPEARMAN = 0.7
REFRESH_SESSIONS = 5


def refresh_gate(
    candidate: pl.DataFrame,
    champion: pl.DataFrame,
    universe: pl.DataFrame,
    *,
    contracts: tuple[str, str],
    scale: float,
    reference: Mapping[int, Sequence[float]] | None = None,
    min_coverage: float = MIN_COVERAGE,
    min_spearman: float = MIN_SPEARMAN,
) -> Promotion:
    """Gate a refresh, the same recipe on newer data: no performance test exists, so only defects can stop it.

    Over the last 5 sessions of the candidate, for every horizon: equal contract hashes, no NaN, coverage of the
    universe, daily Spearman with the champion (the lowest day counts), scores with spread, and, given a reference,
    the PSI of the scores within its limit.

    Args:
        candidate: predictions table of the new weights.
        champion: predictions table of the present weights for the same sessions.
        universe: Date, Code of every stock in the universe of these sessions.
        contracts: contract hash of candidate and champion.
        scale: SCALE of the candidate's predictions on its validation dates.
        reference: scores of the champion's reference period by horizon, if it saved some.
        min_coverage: share of the universe with a score, each session.
        min_spearman: rank correlation with the champion, each session.
    """
    reasons = []
    if contracts[0] != contracts[1]:
        reasons.append(f"contract {contracts[0]} differs from the champion's {contracts[1]}")
    if not scale > 0.0:
        reasons.append(f"SCALE {scale:.3f} is not above 0: predictions have collapsed")
    missing = int((candidate["score"].is_null() | ~candidate["score"].is_finite()).sum())
    if missing:
        reasons.append(f"{missing} scores are missing or not finite")
    days = candidate["Date"].unique().sort().to_list()[-REFRESH_SESSIONS:]
    coverage = _lowest_coverage(candidate, universe, days)
    if not coverage >= min_coverage:
        reasons.append(f"coverage {coverage:.1%} is below {min_coverage:.0%}")
    agreement = _lowest_spearman(candidate, champion, days)
    if not agreement >= min_spearman:
        reasons.append(f"daily Spearman with the champion falls to {agreement:.2f}, limit {min_spearman}")
    figures = {"coverage": coverage, "spearman": agreement, "scale": scale, "missing": float(missing)}
    for horizon, values in (reference or {}).items():
        rows = candidate.filter(pl.col("Date").is_in(days) & (pl.col("horizon") == horizon))
        moved = figures[f"psi_{horizon}"] = population_stability_index(values, rows["score"].to_numpy())
        limit = psi_limit(len(values), len(rows))
        if moved > limit:
            reasons.append(f"prediction PSI of horizon {horizon} {moved:.2f} is above {limit:.2f}")
    if reasons:
        return Promotion("rejected", tuple(reasons), figures)
    return Promotion("promoted", (f"every gate of a refresh holds over {len(days)} sessions",), figures)


def _lowest_coverage(candidate: pl.DataFrame, universe: pl.DataFrame, days: Sequence[date]) -> float:
    """Lowest share of the universe with a known score, over the days and horizons."""
    lowest = 1.0
    for horizon in candidate["horizon"].unique().sort():
        scored = candidate.filter((pl.col("horizon") == horizon) & pl.col("score").is_finite())
        for day in days:
            members = universe.filter(pl.col("Date") == day).select("Code").unique()
            found = members.join(scored.filter(pl.col("Date") == day), on="Code", how="semi")
            lowest = min(lowest, len(found) / len(members) if len(members) else 0.0)
    return lowest


def _lowest_spearman(candidate: pl.DataFrame, champion: pl.DataFrame, days: Sequence[date]) -> float:
    """Lowest rank correlation of both scores over the days and horizons; -1 for a day without one."""
    codes = sorted(set(candidate["Code"]) | set(champion["Code"]))
    lowest = 1.0
    for horizon in candidate["horizon"].unique().sort():
        ours, theirs = (
            dense(frame.filter(pl.col("horizon") == horizon), "score", days, codes) for frame in (candidate, champion)
        )
        lowest = min(lowest, float(np.nan_to_num(rank_ic(ours, theirs), nan=-1.0).min()))
    return lowest
