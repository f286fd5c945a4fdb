"""What a fold's training may not know: anything about its test dates."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.evaluation.splits import Fold, PurgedKFold
from atft_pipeline.graphs import GraphStore
from atft_pipeline.normalization.affine import fit_affine
from atft_pipeline.normalization.moments import date_moments
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.loop import day_groups
from atft_pipeline.training.randomness import generator_of
from atft_pipeline.training.source import BatchSource
from tests.unit.cache.world import CONTRACT, World, make_world, scratch_file, small_settings

SETTINGS = small_settings()


@cache
def world() -> World:
    return make_world(140)


@cache
def folds() -> tuple[Fold, ...]:
    """Days with a whole window behind them and a realized label of 20 sessions."""
    return tuple(PurgedKFold(n_folds=3, horizon=20, embargo=20).split(world().sessions[6:120]))


def training_batches(one: World, fold: Fold) -> list[Batch]:
    affine = fit_affine(date_moments(one.features, CONTRACT), fold.train, CONTRACT)
    source = BatchSource(one.write(scratch_file(), SETTINGS), GraphStore(one.graphs), affine, SETTINGS, CONTRACT)
    return [source.batch(fold.train[start : start + 8]) for start in range(0, len(fold.train), 8)]


@cache
def clean_batches(index: int) -> list[Batch]:
    return training_batches(world(), folds()[index])


@settings(deadline=None, max_examples=9)
@given(index=st.integers(0, 2), size=st.floats(10.0, 1e6), seed=st.integers(0, 2**32 - 1))
def test_poisoned_test_dates_change_no_training_batch(index: int, size: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    fold = folds()[index]
    on = pl.col("Date").is_in(fold.test)

    def poisoned(frame: pl.DataFrame) -> pl.DataFrame:
        noise = pl.Series(generator.normal(scale=size, size=frame.height))
        names = [name for name in frame.columns if name not in ("Date", "Code")]
        return frame.with_columns(
            pl.when(on).then(pl.col(name) + noise).otherwise(pl.col(name)).cast(frame.schema[name]) for name in names
        )

    poison = replace(world(), features=poisoned(world().features), targets=poisoned(world().targets))
    for clean, found in zip(clean_batches(index), training_batches(poison, fold), strict=True):
        for name, value in vars(clean).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, getattr(found, name)), name
    # the control: statistics of all dates would have carried the poison into training
    every = world().sessions
    stats = [date_moments(one.features, CONTRACT) for one in (world(), poison)]
    leaky = [fit_affine(s, every, CONTRACT).center for s in stats]
    assert not np.array_equal(leaky[0], leaky[1])


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 60), size=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_every_day_comes_once_and_groups_are_whole(n: int, size: int, seed: int) -> None:
    days = world().sessions[:n]
    groups = day_groups(days, size, generator_of(seed, "x"))
    assert sorted(day for group in groups for day in group) == list(days)
    assert min(len(group) for group in groups) >= min(n, size)
    assert max(len(group) for group in groups) < max(2 * size, 2)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
