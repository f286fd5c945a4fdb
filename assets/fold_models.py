"""One trained model per purged fold, each its own asset, and `full` for the model that goes live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.training.trained_model import TrainedModel
from resources import display
from resources.checkpoints import checkpoints
from resources.compute_device import ComputeDevice
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure

if TYPE_CHECKING:
    from atft_pipeline.training.fit import FitInputs

FULL = "full"
SECTIONS = ("seed", "model", "loss", "training", "device", "targets")


def fold_model(name: str) -> dg.AssetsDefinition:
    """The asset of one purged fold."""

    @stage(
        name=name,
        key_prefix="fold_models",
        group="models",
        kinds={"pytorch"},
        settings=SECTIONS,
        pool="gpu",
        description=f"ATFT-GAT-FAN fitted on the training sessions of {name}; statistics of those sessions only.",
    )
    def model(
        context: dg.AssetExecutionContext,
        settings: SettingsResource,
        device: ComputeDevice,
        lake: LakeResource,
        arrow_cache: ArrowCache,
        graphs: pl.LazyFrame,
        normalization_stats: pl.LazyFrame,
        purged_folds: FoldTable,
    ) -> TrainedModel:
        from atft_pipeline.training.fit import fit_fold

        inputs = fit_inputs(settings, device, arrow_cache, graphs, normalization_stats)
        fold = next(fold for fold in purged_folds.folds if fold.name == name)
        fitted = fit_fold(inputs, fold, checkpoint_dir=checkpoints(context.asset_key, lake.open(), settings.load()))
        context.add_output_metadata(about(fitted))
        return fitted

    return model


@stage(
    name=FULL,
    key_prefix="fold_models",
    group="models",
    kinds={"pytorch"},
    settings=(*SECTIONS, "folds"),
    pool="gpu",
    ins={name: dg.AssetIn(key=["fold_models", name], dagster_type=TrainedModel) for name in structure().fold_names},
)
def full_model(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    device: ComputeDevice,
    lake: LakeResource,
    arrow_cache: ArrowCache,
    graphs: pl.LazyFrame,
    normalization_stats: pl.LazyFrame,
    **fold_models: TrainedModel,
) -> TrainedModel:
    """The model that goes live: every session with a realized label, epochs as the folds found best, no stopping."""
    from atft_pipeline.training.fit import fit_full

    inputs = fit_inputs(settings, device, arrow_cache, graphs, normalization_stats)
    models = [fold_models[name] for name in structure().fold_names]
    where = checkpoints(context.asset_key, lake.open(), settings.load())
    fitted = fit_full(inputs, models, structure().start, checkpoint_dir=where)
    context.add_output_metadata(about(fitted))
    return fitted


def fit_inputs(
    settings: SettingsResource,
    device: ComputeDevice,
    arrow_cache: ArrowCache,
    graphs: pl.LazyFrame,
    normalization_stats: pl.LazyFrame,
) -> FitInputs:
    """What fold models and the full model share."""
    from atft_pipeline.training.fit import FitInputs

    values = settings.load()
    return FitInputs(
        arrow_cache,
        graphs.collect(),
        normalization_stats.collect(),
        structure().contract,
        values,
        device.resolve(values.device).name,
        on_progress=reporter().step,
    )


def about(model: TrainedModel) -> dict[str, Any]:
    """What a reader of a model's page looks for: sessions, epochs, the curve."""
    from atft_pipeline.evaluation.plots import training_curves

    return {
        "training_sessions": len(model.train_days),
        "last_training_label": str(model.last_training_label),
        "parameters": model.n_parameters,
        **model.headline(),
        "training": display.picture(training_curves(model.training_curve())),
    }


def sound_check(name: str) -> dg.AssetChecksDefinition:
    """Blocks a model that lost its spread or learned nothing that is a number."""

    @dg.asset_check(asset=["fold_models", name], blocking=True, name="predictions_have_spread")
    def predictions_have_spread(lake: LakeResource) -> dg.AssetCheckResult:
        """SCALE of the saved model's last epoch is positive for every horizon, and its history is finite."""
        model = lake.open().read(f"fold_models/{name}", None, TrainedModel)
        scale = model.scale()
        return dg.AssetCheckResult(
            passed=bool(scale) and all(value > 0 for value in scale.values()),
            metadata={f"scale_{horizon}": value for horizon, value in scale.items()},
        )

    return predictions_have_spread


ASSETS: Sequence[Any] = [*(fold_model(name) for name in structure().fold_names), full_model]
CHECKS = [sound_check(name) for name in (*structure().fold_names, FULL)]
