"""The champion: the model that is live, the evidence that put it there, and the rule that replaces it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import polars as pl

from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.evaluate import Evaluation
from atft_pipeline.evaluation.fold_table import HOLDOUT
from atft_pipeline.evaluation.promotion import Promotion, decide
from atft_pipeline.evaluation.refresh import REFRESH_SESSIONS, refresh_gate
from atft_pipeline.settings import Settings
from atft_pipeline.training.trained_model import TrainedModel

FACTS, DAILY, MODEL = "champion.json", "daily.parquet", "model"


@dataclass(frozen=True)
class Champion:
    """What is live.

    Attributes:
        promotion: the latest decision and its reasons.
        recipe: hash of the recipe that `daily` judges.
        daily: the recipe's out-of-fold series of the headline horizon.
        model: weights fitted on all labelled sessions; None while no model has passed the gates.
    """

    promotion: Promotion
    recipe: str
    daily: pl.DataFrame
    model: TrainedModel | None

    @property
    def promoted(self) -> bool:
        """Whether the latest decision put this model there."""
        return self.promotion.promoted and self.model is not None

    def save(self, directory: Path) -> None:
        """Write the decision, the series and, in `model/`, the weights."""
        self.promotion.save(directory)
        (directory / FACTS).write_text(json.dumps({"recipe": self.recipe}) + "\n", encoding="utf-8")
        self.daily.write_parquet(directory / DAILY, compression="zstd", statistics=False)
        if self.model is not None:
            (directory / MODEL).mkdir()
            self.model.save(directory / MODEL)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
        model = TrainedModel.load(directory / MODEL) if (directory / MODEL).is_dir() else None
        return cls(Promotion.load(directory), facts["recipe"], pl.read_parquet(directory / DAILY), model)


def choose_champion(
    candidate: TrainedModel,
    evaluation: Evaluation,
    recipe: str,
    present: Champion | None,
    cache: ArrowCache,
    graphs: pl.DataFrame,
    universe: pl.DataFrame,
    settings: Settings,
) -> Champion:
    """Decide between the candidate and the present champion, by the kind of evidence that there is.

    A new recipe is judged out of fold against the champion's recipe on the same sessions (`promotion.decide`). The
    same recipe on newer data cannot be: it passes gates on its last sessions (`refresh.refresh_gate`). The same
    weights change nothing.

    Args:
        candidate: weights fitted on all labelled sessions.
        evaluation: the candidate recipe's out-of-fold evaluation.
        recipe: hash of everything that decides what is learnt from given data.
        present: the champion so far, if there is one.
        cache: features of the sessions that a refresh is compared on.
        graphs: graphs of those sessions.
        universe: Date, Code, in_universe of those sessions.
        settings: sections `evaluation`, `training.monitor_horizon`, `targets.entry`, and the seed.
    """
    daily = _headline_series(evaluation, settings)
    if present is None or present.model is None:
        promotion = decide(daily, None, settings.evaluation, seed=settings.seed)
        return Champion(promotion, recipe, daily, candidate if promotion.promoted else None)
    if present.model.identity == candidate.identity:
        return present
    if present.recipe == recipe:
        days = cache.days[-REFRESH_SESSIONS:]
        promotion = refresh_gate(
            candidate.predict(cache, graphs, days),
            present.model.predict(cache, graphs, days),
            universe.filter(pl.col("in_universe")),
            contracts=(candidate.contract_hash, present.model.contract_hash),
            scale=min(candidate.scale().values()),
        )
    else:
        promotion = decide(daily, present.daily, settings.evaluation, seed=settings.seed)
    if promotion.promoted:
        return Champion(promotion, recipe, daily, candidate)
    return replace(present, promotion=promotion)


def _headline_series(evaluation: Evaluation, settings: Settings) -> pl.DataFrame:
    return evaluation.daily.filter(
        (pl.col("model") == settings.model.name)
        & (pl.col("horizon") == settings.training.monitor_horizon)
        & (pl.col("entry") == settings.targets.entry)
        & (pl.col("flagged") == "included")
        & (pl.col("fold") != HOLDOUT)
    )
