"""Dead inputs, paths without gradient, and collapse are seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atft_pipeline.errors import DeadInput, TrainingError
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.diagnostics import (
    SpreadWatch,
    day_spread,
    dead_inputs,
    gradient_norms,
    require_live_inputs,
    require_paths,
)
from tests.unit.cache.world import CONTRACT
from tests.unit.training.lab import lab


def batch() -> Batch:
    return lab().source().batch(lab().world.sessions[20:30])


def constant(name: str, given: Batch | None = None) -> Batch:
    """The batch with one column 0 everywhere."""
    found = given or batch()
    x = found.x.clone()
    x[..., CONTRACT.names.index(name)] = 0.0
    return replace(found, x=x)


def test_a_sound_batch_has_no_dead_input() -> None:
    assert dead_inputs(batch(), CONTRACT) == []


@pytest.mark.parametrize("name", ["level", "rare", "index"])
def test_a_column_without_spread_is_named(name: str) -> None:
    assert require_live_inputs(constant(name), CONTRACT, max_share=0.2) == [name]


def test_a_column_that_only_differs_between_days_is_dead_for_stocks() -> None:
    found = batch()
    x = found.x.clone()
    x[..., 3] = found.day_index.float()
    assert dead_inputs(replace(found, x=x), CONTRACT) == ["level"]


def test_too_many_or_a_whole_family_stop_the_fit() -> None:
    with pytest.raises(DeadInput, match=r"2 of 8 inputs .*level, rare"):
        require_live_inputs(constant("rare", constant("level")), CONTRACT, max_share=0.2)
    with pytest.raises(DeadInput, match="whole families: market"):
        require_live_inputs(constant("index", constant("drawdown")), CONTRACT, max_share=0.5)


def test_paths_of_a_sound_model_carry_gradient() -> None:
    model = lab().model()
    require_paths(model, batch())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_blind_to_its_input_is_refused() -> None:
    model = lab().model()
    model.activate(frozenset())
    model.head.register_forward_hook(lambda module, args, output: (output[0] * 0.0, output[1]))
    with pytest.raises(TrainingError, match="last step of the window"):
        require_paths(model, batch())


def test_a_graph_that_passes_nothing_on_is_refused() -> None:
    model = lab().model()
    assert model.graph is not None
    for layer in model.graph.layers:
        layer.source.weight.data.zero_()  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingError, match="neighbour"):
        require_paths(model, batch())


def test_gradient_norm_per_module() -> None:
    model = lab().model()
    model.activate(frozenset())
    found = batch()
    prediction = model(found.x, found.mask, None, found.family_mask)
    torch.autograd.backward(torch.stack(list(prediction.values())).square().sum())
    norms = gradient_norms(model)
    assert norms["graph"] == norms["adaptive_norm"] == 0.0
    expected = torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]).norm()
    assert norms["encoder"] == pytest.approx(float(expected), rel=1e-5)


def test_day_spread_is_within_days() -> None:
    scores = torch.tensor([0.0, 2.0, 100.0, 104.0])
    assert day_spread(scores, torch.tensor([0, 0, 1, 1]), 2).item() == pytest.approx(1.5)
    assert day_spread(torch.tensor([3.0, 3.0, 9.0]), torch.tensor([0, 0, 1]), 2).item() == 0.0


def test_collapse_needs_three_low_checks_running() -> None:
    watch = SpreadWatch(min_spread=0.005)
    for spread in (0.001, 0.001, 1.0, 0.001, 0.001):
        watch.observe([spread])
        assert not watch.collapsed
    absolute = SpreadWatch(min_spread=0.005)
    for _ in range(3):
        absolute.observe([0.004])
    assert absolute.collapsed


def test_losing_nine_tenths_of_the_spread_is_a_collapse_but_a_small_one_is_not() -> None:
    shrinking, small = SpreadWatch(min_spread=0.005), SpreadWatch(min_spread=0.005)
    shrinking.observe([1.0])
    for _ in range(3):
        shrinking.observe([0.02] * 60)
        small.observe([0.02] * 60)
    assert shrinking.collapsed
    assert not small.collapsed
