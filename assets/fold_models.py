"""One trained model per purged fold, each its own asset, and `full` for the model that goes live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.training.trained_model import TrainedModel
from resources.compute_device import ComputeDevice
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure

FULL = "full"
CODE = ("model", "losses", "training", "cache", "graphs/store.py", "normalization/affine.py")
SECTIONS = ("seed", "model", "loss", "training", "device", "targets")


def fold_model(name: str) -> dg.AssetsDefinition:
    """The asset of one purged fold."""

    @stage(
        name=name,
        key_prefix="fold_models",
        group="models",
        kinds={"pytorch"},
        code=CODE,
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

        return _described(
            context,
            fit_fold(
                arrow_cache,
                graphs.collect(),
                normalization_stats.collect(),
                next(fold for fold in purged_folds.folds if fold.name == name),
                structure().contract,
                settings.load(),
                device.resolve(settings.load().device).name,
                checkpoint_dir=lake.open().checkpoints(f"fold_models/{name}"),
                on_progress=reporter().step,
            ),
        )

    return model


@stage(
    name=FULL,
    key_prefix="fold_models",
    group="models",
    kinds={"pytorch"},
    code=CODE,
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

    return _described(
        context,
        fit_full(
            arrow_cache,
            graphs.collect(),
            normalization_stats.collect(),
            [fold_models[name] for name in structure().fold_names],
            structure().start,
            structure().contract,
            settings.load(),
            device.resolve(settings.load().device).name,
            checkpoint_dir=lake.open().checkpoints(f"fold_models/{FULL}"),
            on_progress=reporter().step,
        ),
    )


def _described(context: dg.AssetExecutionContext, model: TrainedModel) -> TrainedModel:
    """Adds what a reader of the asset's page looks for: sessions, epochs, the curve."""
    context.add_output_metadata(
        {
            "training_sessions": len(model.train_days),
            "last_training_label": str(model.last_training_label),
            "parameters": model.n_parameters,
            **model.headline(),
        }
    )
    return model


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
