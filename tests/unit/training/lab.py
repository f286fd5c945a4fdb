"""A prepared world for tests of training: cache, graphs, statistics and a short fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import torch

from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.splits import Fold
from atft_pipeline.graphs import GraphStore
from atft_pipeline.model import AtftGatFan, build_model
from atft_pipeline.normalization.affine import fit_affine
from atft_pipeline.normalization.moments import date_moments
from atft_pipeline.sections import PhaseEpochs
from atft_pipeline.settings import Settings
from atft_pipeline.training.fit import FitInputs, fit_fold
from atft_pipeline.training.source import BatchSource
from atft_pipeline.training.trained_model import TrainedModel
from tests.unit.cache.world import CONTRACT, World, make_world, scratch_file, small_settings

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Lab:
    """What a fit needs."""

    world: World
    cache: ArrowCache
    stats: pl.DataFrame
    fold: Fold

    def source(self, settings: Settings | None = None) -> BatchSource:
        """Batches of the fold."""
        affine = fit_affine(self.stats, self.fold.train, CONTRACT)
        return BatchSource(self.cache, GraphStore(self.world.graphs), affine, settings or small_settings(), CONTRACT)

    def model(self, settings: Settings | None = None) -> AtftGatFan:
        """A fresh network, all parts on."""
        return build_model(settings or small_settings(), CONTRACT)

    def fit(
        self,
        settings: Settings | None = None,
        *,
        fold: Fold | None = None,
        epochs: PhaseEpochs | None = None,
        checkpoint_dir: Path | None = None,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> TrainedModel:
        """`fit_fold` on this world."""
        inputs = self.inputs(settings, on_progress=on_progress)
        return fit_fold(inputs, fold or self.fold, epochs=epochs, checkpoint_dir=checkpoint_dir)

    def inputs(
        self, settings: Settings | None = None, *, on_progress: Callable[[str, int, int], None] | None = None
    ) -> FitInputs:
        """The world as `fit_fold` and `fit_full` take it."""
        settings = settings or small_settings()
        return FitInputs(self.cache, self.world.graphs, self.stats, CONTRACT, settings, on_progress=on_progress)


@cache
def lab() -> Lab:
    """The prepared world; made once per process."""
    world = make_world(80)
    fold = Fold("fold_0", world.sessions[6:18], world.sessions[70:76], world.sessions[40:46])
    return Lab(world, world.write(scratch_file(), small_settings()), date_moments(world.features, CONTRACT), fold)
