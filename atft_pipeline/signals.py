"""Signals: the stocks of one session in the order in which the champion would hold them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import polars as pl

from atft_pipeline.errors import EvaluationError


class Scorer(Protocol):
    """What a signal file says about the model that made it."""

    @property
    def identity(self) -> str:
        """Hash of weights and recipe."""

    @property
    def last_training_label(self) -> str:
        """ISO date of the last session whose price is in a training label."""


def rank_session(
    predictions: pl.DataFrame, master: pl.DataFrame, model: Scorer, *, scored_at: datetime, headline: int
) -> pl.DataFrame:
    """Rank the stocks of one session by the score of the headline horizon, best first.

    As-of rule: `predictions` were made with data up to the close of their session; the order may be placed at the
    next open. Ties are broken by Code, so that the file is the same whatever the order of the rows.

    Args:
        predictions: Date, Code, horizon, score of ONE session.
        master: Code, CoName of that session, for reading only.
        model: the scorer.
        scored_at: when the scores were made.
        headline: horizon in sessions that decides the rank.

    Returns:
        Date, rank (1 = best), Code, CoName, score, score_h per horizon, model, last_training_label, scored_at.

    Raises:
        EvaluationError: no score of the headline horizon, or more than one session.
    """
    wide = predictions.pivot("horizon", index=["Date", "Code"], values="score", sort_columns=True)
    horizons = sorted(int(name) for name in wide.columns if name.isdigit())
    if headline not in horizons or wide["Date"].n_unique() != 1:
        raise EvaluationError(
            f"predictions hold horizons {horizons} of {wide['Date'].n_unique()} sessions, not {headline} of one.",
            remedy="Score exactly one session with a model that has the headline horizon.",
        )
    return (
        wide.join(master.select("Code", "CoName").unique("Code"), on="Code", how="left")
        .sort([str(headline), "Code"], descending=[True, False])
        .select(
            "Date",
            pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("rank"),
            "Code",
            "CoName",
            pl.col(str(headline)).alias("score"),
            *(pl.col(str(h)).alias(f"score_{h}") for h in horizons),
            pl.lit(model.identity).alias("model"),
            pl.lit(model.last_training_label).str.to_date().alias("last_training_label"),
            pl.lit(scored_at).alias("scored_at"),
        )
    )
