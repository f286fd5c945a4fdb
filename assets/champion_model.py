"""The champion: the promotion decision, its evidence, and the weights that are live."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.cache import ArrowCache
from atft_pipeline.champion import Champion, choose_champion
from atft_pipeline.evaluation.evaluate import Evaluation
from atft_pipeline.training.trained_model import TrainedModel
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure

RECIPE = ("seed", "universe", "features", "targets", "graph", "folds", "model", "loss", "training")


@stage(
    group="models",
    kinds={"mlflow"},
    settings=(*RECIPE, "evaluation"),
    ins={"full": dg.AssetIn(key=["fold_models", "full"], dagster_type=TrainedModel)},
)
def champion_model(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    lake: LakeResource,
    full: TrainedModel,
    evaluation: Evaluation,
    arrow_cache: ArrowCache,
    graphs: pl.LazyFrame,
    universe: pl.LazyFrame,
) -> Champion:
    """Promoted, rejected or undecided, with reasons; registered in MLflow under the alias `champion` if promoted."""
    store, recipe = lake.open(), settings.load().hash(RECIPE)
    champion = choose_champion(
        full,
        evaluation,
        recipe,
        store.read("champion_model", None, Champion) if store.manifest("champion_model") else None,
        arrow_cache,
        graphs.collect(),
        universe.collect(),
        settings.load(),
    )
    context.add_output_metadata(
        {
            "outcome": champion.promotion.outcome,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in champion.promotion.reasons)),
            "recipe": champion.recipe,
            **champion.promotion.figures,
        }
    )
    return champion


@dg.asset_check(asset=champion_model, blocking=True)
def a_champion_knows_the_contract(lake: LakeResource) -> dg.AssetCheckResult:
    """There is a champion, and it was trained on the feature contract of this deployment."""
    champion = lake.open().read("champion_model", None, Champion)
    if champion.model is None:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="No model has passed the gates yet: " + "; ".join(champion.promotion.reasons),
        )
    return dg.AssetCheckResult(
        passed=champion.model.contract_hash == structure().contract.hash,
        metadata={"model": champion.model.contract_hash, "deployment": structure().contract.hash},
    )


ASSETS = [champion_model]
CHECKS = [a_champion_knows_the_contract]
