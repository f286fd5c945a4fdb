"""The whole fit: reproducible to the byte, resumable after a kill, and honest about what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
import torch

from atft_pipeline.errors import DeadInput, PredictionCollapse, TrainingError
from atft_pipeline.evaluation.splits import Fold
from atft_pipeline.sections import PhaseEpochs
from atft_pipeline.training import loop
from atft_pipeline.training.fit import fit_full, median_epochs
from atft_pipeline.training.loop import day_groups
from atft_pipeline.training.randomness import generator_of
from atft_pipeline.training.source import BatchSource
from atft_pipeline.training.step import apply_gradients
from atft_pipeline.training.trained_model import TrainedModel
from atft_pipeline.training.validation import scored_batches, validate
from tests.unit.cache.world import small_settings
from tests.unit.training.lab import CPU, lab


class Killed(BaseException):
    """Stands for kill -9: nothing in the library may catch it."""


@cache
def fitted() -> TrainedModel:
    """A whole fit, made once."""
    return lab().fit()


def same_weights(one: TrainedModel, other: TrainedModel) -> bool:
    return one.weights.keys() == other.weights.keys() and all(
        torch.equal(one.weights[name], other.weights[name]) for name in one.weights
    )


def test_history_tells_every_epoch_and_the_best() -> None:
    model = fitted()
    assert [(record["phase"], record["epoch"]) for record in model.history] == [
        ("baseline", 1),
        ("baseline", 2),
        ("adaptive_norm", 1),
        ("gat", 1),
        ("gat", 2),
        ("finetune", 1),
    ]
    assert set(model.best_epochs) == {"baseline", "adaptive_norm", "gat", "finetune"}
    first = model.history[0]
    assert {"list_net", "sharpe", "rank_ic", "cs_ic", "huber", "quantile"} <= first["parts"].keys()
    assert first["gradient_norms"]["graph"] == 0.0
    assert model.history[3]["gradient_norms"]["graph"] > 0.0
    assert model.history[3]["gradient_norms"]["encoder"] == 0.0
    assert model.active == ("adaptive_norm", "graph")
    assert model.dead_inputs == ()


def test_the_figures_are_those_of_the_final_weights() -> None:
    model = fitted()
    again = validate(model.network(), lab().source(), lab().fold.validation, small_settings(), CPU)
    assert again == pytest.approx(dict(model.figures), rel=1e-6)
    assert model.scale() == {h: model.figures[f"scale_{h}"] for h in (1, 5, 10, 20)}
    assert all(value > 0 for value in model.scale().values())
    assert model.headline()["final_rank_ic_1"] == model.figures["rank_ic_1"]


def test_a_signal_that_is_there_is_learned() -> None:
    settings = small_settings(training__learning_rate=0.02, training__epochs__baseline=15, training__patience=15)
    model = lab().fit(settings, epochs=PhaseEpochs(baseline=15, adaptive_norm=0, gat=0, finetune=0))
    assert model.figures["rank_ic_1"] > 0.25  # `level` foretells the return with a correlation of .45


def test_the_same_run_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, model in (("a", fitted()), ("b", lab().fit())):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
    for file in ("weights.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_folds_name_decides_the_random_streams() -> None:
    other = lab().fit(fold=Fold("fold_1", lab().fold.train, (), lab().fold.validation))
    assert not same_weights(other, fitted())


def test_fitting_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    lab().fit(epochs=PhaseEpochs(baseline=1, adaptive_norm=0, gat=0, finetune=0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("after", range(1, 7))
def test_a_run_killed_after_an_epoch_goes_on_to_the_same_bits(after: int, tmp_path: Path) -> None:
    def kill(label: str, done: int, total: int) -> None:
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        lab().fit(checkpoint_dir=tmp_path, on_progress=kill)
    assert len(list(tmp_path.iterdir())) == 1
    epochs: list[int] = []
    model = lab().fit(checkpoint_dir=tmp_path, on_progress=lambda label, done, total: epochs.append(done))
    assert epochs == list(range(after + 1, 7))
    assert same_weights(model, fitted())
    assert model.identity == fitted().identity
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nth", [2, 11, 16])
def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_to_the_same_bits(nth: int, tmp_path: Path) -> None:
    with pytest.raises(Killed), mock.patch(f"{loop.__name__}.apply_gradients", killing(apply_gradients, nth)):
        lab().fit(checkpoint_dir=tmp_path)
    assert same_weights(lab().fit(checkpoint_dir=tmp_path), fitted())


def killing(function: Callable[..., None], nth: int) -> Callable[..., None]:
    """`function`, dying at its n-th call."""
    calls = 0

    def wrapped(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise Killed
        function(*args)

    return wrapped


def test_a_checkpoint_of_another_recipe_is_not_continued(tmp_path: Path) -> None:
    def kill(label: str, done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        lab().fit(small_settings(training__learning_rate=0.01), checkpoint_dir=tmp_path, on_progress=kill)
    assert same_weights(lab().fit(checkpoint_dir=tmp_path), fitted())


def test_validation_is_in_eval_mode_and_leaves_training_mode() -> None:
    model = lab().model(small_settings(model__dropout=0.5)).train()
    modes: list[bool] = []
    model.register_forward_hook(lambda module, args, output: modes.append(module.training))
    first, second = (validate(model, lab().source(), lab().fold.validation, small_settings(), CPU) for _ in range(2))
    assert first == second
    assert not any(modes)
    assert model.training
    assert set(first) == {f"{name}_{h}" for name in ("rank_ic", "scale") for h in (1, 5, 10, 20)}


def test_scored_batches_hold_every_stock_of_every_day() -> None:
    days = lab().world.sessions[70:79]
    scored = list(scored_batches(lab().model(), lab().source(), days, small_settings(), CPU))
    assert [day for batch, _ in scored for day in batch.days] == list(days)
    assert all(scores.shape == (len(batch.codes), 4) for batch, scores in scored)
    assert sum(len(batch.codes) for batch, _ in scored) == sum(lab().cache.mask(day).sum() for day in days)


def test_test_days_are_never_read() -> None:
    read: set[object] = set()
    original = BatchSource.batch

    def recording(self: BatchSource, days: list[object]) -> object:
        read.update(days)
        return original(self, days)  # type: ignore[arg-type]

    with mock.patch.object(BatchSource, "batch", recording):
        lab().fit(epochs=PhaseEpochs(baseline=1, adaptive_norm=0, gat=0, finetune=0))
    assert read == {*lab().fold.train, *lab().fold.validation}


def test_the_last_label_lies_one_purge_after_the_last_day() -> None:
    assert fitted().last_training_label == lab().world.sessions[45 + 20].isoformat()
    assert fitted().train_days == lab().fold.train
    assert fitted().stopping_days == lab().fold.validation


def test_the_full_model_takes_every_labelled_day_and_the_folds_epochs() -> None:
    full = fit_full(lab().inputs(), [fitted()], lab().world.sessions[45])
    assert full.train_days == lab().world.sessions[45:60]
    assert full.last_training_label == lab().world.sessions[79].isoformat()
    assert full.best_epochs == fitted().best_epochs
    assert set(full.figures) == {f"scale_{h}" for h in (1, 5, 10, 20)}
    with pytest.raises(TrainingError, match="no session between"):
        fit_full(lab().inputs(), [fitted()], lab().world.sessions[60])


def test_median_epochs() -> None:
    def model(**best: int) -> TrainedModel:
        return mock.Mock(best_epochs=best)

    models = [model(baseline=1, gat=4), model(baseline=9, gat=2), model(baseline=3, gat=1)]
    assert median_epochs(models) == PhaseEpochs(baseline=3, adaptive_norm=0, gat=2, finetune=0)
    assert median_epochs(models[:2]).baseline == 9
    with pytest.raises(TrainingError, match="empty"):
        median_epochs([])


def test_days_are_shuffled_into_whole_groups() -> None:
    days = lab().world.sessions[:26]
    sampler = generator_of(1, "x")
    first, second = day_groups(days, 8, sampler), day_groups(days, 8, sampler)
    assert [len(group) for group in first] == [9, 9, 8]
    assert sorted(day for group in first for day in group) == list(days)
    assert first != second
    assert day_groups(days, 8, generator_of(1, "x")) == first
    assert [len(group) for group in day_groups(days[:5], 8, sampler)] == [5]


def test_a_collapse_stops_the_fit_or_draws_the_head_anew() -> None:
    blind = {"training__min_spread": 100.0, "training__epochs__baseline": 12, "training__patience": 20}
    epochs = PhaseEpochs(baseline=12, adaptive_norm=0, gat=0, finetune=0)
    with pytest.raises(PredictionCollapse, match=r"training\.min_spread 1e\+02"):
        lab().fit(small_settings(**blind), epochs=epochs)
    model = lab().fit(small_settings(**blind, training__on_collapse="reinitialize_head"), epochs=epochs)
    assert [record["epoch"] for record in model.history if "event" in record] == [3, 6, 9, 12]


def test_a_loss_that_is_not_finite_stops_the_fit() -> None:
    with pytest.raises(TrainingError, match="not finite"):
        lab().fit(small_settings(training__learning_rate=1e30, training__clip_norm=1e30))


def test_dead_inputs_stop_the_fit() -> None:
    # scaling the market columns to nothing is what a wrong affine would do
    market = pl.col("column").is_in(["index", "drawdown"])
    flat = lab().stats.with_columns(m2=pl.when(market).then(1e30).otherwise("m2"))
    with pytest.raises(DeadInput, match="whole families: market"):
        replace(lab(), stats=flat).fit()


def test_a_path_beyond_the_purge_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"model\.fan\.path = 25 reaches beyond folds\.horizon = 20"):
        lab().fit(small_settings(model__fan__path=25))
