"""Fits one model: on a purged fold with early stopping, or on every labelled session for the model that goes live."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median_high

import numpy as np
import polars as pl
import torch

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.errors import TrainingError
from atft_pipeline.evaluation.splits import Fold
from atft_pipeline.features.contract import Contract
from atft_pipeline.graphs.store import GraphStore
from atft_pipeline.model.build import build_model
from atft_pipeline.normalization.affine import Affine, fit_affine
from atft_pipeline.sections import PhaseEpochs
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.determinism import reproducible
from atft_pipeline.training.diagnostics import require_live_inputs
from atft_pipeline.training.loop import Job, train
from atft_pipeline.training.phases import phases_for
from atft_pipeline.training.randomness import seed_of
from atft_pipeline.training.source import BatchSource
from atft_pipeline.training.trained_model import SECTIONS, TrainedModel
from atft_pipeline.training.validation import validate

FULL = "full"
SCAN_DAYS = 16
"""Training days, evenly spread, on which inputs are looked at before the first step."""

SCALE_DAYS = 20
"""Last training days on which SCALE is taken where there is no validation."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FitInputs:
    """What all fits of a run share.

    Attributes:
        cache: features, targets and masks; every day of a fold needs `model.window` - 1 sessions before it.
        graphs: the `graphs` table; may be None only if `model.graph.enabled` is false.
        stats: the `normalization_stats` table.
        contract: of the cache.
        settings: sections `seed`, `model`, `loss`, `training`, `device`, `targets`, `folds`.
        device: torch's name of the device.
        on_progress: called with (label, done, total) after each epoch.
    """

    cache: ArrowCache
    graphs: pl.DataFrame | None
    stats: pl.DataFrame
    contract: Contract
    settings: Settings
    device: str = "cpu"
    on_progress: Progress | None = None


def fit_fold(
    inputs: FitInputs, fold: Fold, *, epochs: PhaseEpochs | None = None, checkpoint_dir: Path | None = None
) -> TrainedModel:
    """Fit a model on the training days of a fold; its test days are not looked at.

    Scaling of `time_series` columns comes from `fold.train` alone. With validation days each phase stops early on
    their RankIC at `training.monitor_horizon` and keeps its best weights; without, it takes all its epochs. The same
    input and settings give the same bytes on a CPU; a killed run goes on from its last epoch in `checkpoint_dir`.

    Args:
        inputs: data, settings and device.
        fold: name, train and validation days.
        epochs: epochs per phase in place of `training.epochs`.
        checkpoint_dir: existing folder for the checkpoint; None for a run that need not survive.

    Raises:
        ContractError: the cache was made by another contract.
        TrainingError: the path target reaches beyond the purge, or the fit fails (`DeadInput`, `PredictionCollapse`).
    """
    settings, where = inputs.settings, torch.device(inputs.device)
    _require_labels_within_purge(settings)
    affine = fit_affine(inputs.stats, fold.train, inputs.contract)
    source = BatchSource(inputs.cache, _graph_store(inputs), affine, settings, inputs.contract)
    dead = require_live_inputs(_scan(source, fold.train), inputs.contract, settings.training.max_dead_share)
    with reproducible(settings.device, where, seed_of(settings.seed, fold.name, "network")):
        job = Job(
            name=fold.name,
            model=build_model(settings, inputs.contract).to(where),
            source=source,
            phases=phases_for(settings, epochs),
            train=fold.train,
            validation=fold.validation,
            settings=settings,
            device=where,
            checkpoint=_checkpoint(checkpoint_dir, inputs, affine, fold, epochs),
            on_progress=inputs.on_progress,
        )
        history = train(job)
        figures = validate(job.model, source, fold.validation or fold.train[-SCALE_DAYS:], settings, where)
    if job.checkpoint is not None:
        job.checkpoint.unlink(missing_ok=True)
    return TrainedModel(
        name=fold.name,
        settings=settings,
        contract=inputs.contract,
        affine=affine,
        weights={name: tensor.detach().cpu() for name, tensor in job.model.state_dict().items()},
        active=tuple(sorted(job.model.active)),
        train_days=fold.train,
        stopping_days=fold.validation,
        last_training_label=_last_label(inputs.cache, fold, settings).isoformat(),
        history=tuple(history),
        # RankIC on days that were trained on is no evidence of anything, so it is not kept
        figures={name: value for name, value in figures.items() if fold.validation or name.startswith("scale")},
        dead_inputs=tuple(dead),
    )


def fit_full(
    inputs: FitInputs, fold_models: Sequence[TrainedModel], start: date, *, checkpoint_dir: Path | None = None
) -> TrainedModel:
    """Fit the model that goes live: all sessions from `start` on whose longest label is realized, no validation.

    Epochs per phase: the median of the folds' best epochs. Its expected performance is the folds'.

    Args:
        inputs: data, settings and device.
        fold_models: the models of the purged folds.
        start: first session after the warm-up.
        checkpoint_dir: as for `fit_fold`.

    Raises:
        TrainingError: no fold model is given, or no session is labelled.
    """
    cache, settings = inputs.cache, inputs.settings
    labelled = cache.days[: len(cache.days) - settings.folds.horizon]
    days = tuple(day for day in cache.days_with_window(settings.model.window) if start <= day <= labelled[-1])
    if not days:
        raise TrainingError(
            f"no session between {start} and {cache.days[-1]} has a label of {settings.folds.horizon} sessions.",
            remedy="Choose a longer period.",
        )
    return fit_fold(inputs, Fold(FULL, days, ()), epochs=median_epochs(fold_models), checkpoint_dir=checkpoint_dir)


def median_epochs(models: Sequence[TrainedModel]) -> PhaseEpochs:
    """Epochs per phase: the median of the models' best epochs (the higher of two), 0 for an absent phase."""
    if not models:
        raise TrainingError("fold_models is empty: epochs of the full model are unknown.", remedy="Fit folds first.")
    found = {name: [model.best_epochs.get(name, 0) for model in models] for name in PhaseEpochs.model_fields}
    return PhaseEpochs(**{name: median_high(epochs) for name, epochs in found.items()})


def _scan(source: BatchSource, days: Sequence[date]) -> Batch:
    spread = np.unique(np.linspace(0, len(days) - 1, min(SCAN_DAYS, len(days))).astype(int))
    return source.without_graph().batch([days[i] for i in spread])


def _require_labels_within_purge(settings: Settings) -> None:
    """The path target reaches `model.fan.path` sessions ahead: no further than the purge."""
    path = settings.model.fan.path
    if settings.model.fan.kind != "none" and path > settings.folds.horizon:
        raise TrainingError(
            f"model.fan.path = {path} reaches beyond folds.horizon = {settings.folds.horizon}: a training label would"
            " see test sessions.",
            remedy="Shorten model.fan.path or lengthen folds.horizon.",
        )


def _last_label(cache: ArrowCache, fold: Fold, settings: Settings) -> date:
    """Session of the last price in a label of the fold's days, at most the cache's last."""
    last = max((*fold.train, *fold.validation))
    reach = cache.days.index(last) + settings.folds.horizon
    return cache.days[min(reach, len(cache.days) - 1)]


def _graph_store(inputs: FitInputs) -> GraphStore | None:
    if not inputs.settings.model.graph.enabled or inputs.graphs is None:
        return None
    return GraphStore(inputs.graphs)


def _checkpoint(
    directory: Path | None, inputs: FitInputs, affine: Affine, fold: Fold, epochs: PhaseEpochs | None
) -> Path | None:
    """Checkpoint file of exactly this fit: another recipe, fold or data has another name and is not continued."""
    if directory is None:
        return None
    recipe = json.dumps(
        [
            inputs.settings.hash(SECTIONS),
            inputs.contract.hash,
            [day.isoformat() for day in (*fold.train, *fold.validation)],
            None if epochs is None else epochs.model_dump(),
        ]
    )
    digest = hashlib.blake2b(recipe.encode(), digest_size=8)
    digest.update(affine.center.tobytes() + affine.scale.tobytes())
    for day in fold.train:
        digest.update(inputs.cache.targets(day).tobytes())
    return directory / f"{fold.name}-{digest.hexdigest()}.safetensors"
