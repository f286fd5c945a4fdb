"""The network as a whole: what reaches the scores, what is switched off, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from atft_pipeline.errors import ModelError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.model import AtftGatFan, InputLayout, Prediction, build_model
from atft_pipeline.settings import load_settings
from tests.unit.model.toy import LAYOUT, LENGTH, NO_NORM, inputs, network, ring

HORIZONS = (1, 5, 10, 20)


def run(model: AtftGatFan, x: Tensor, seed: int = 0) -> Prediction:
    _, mask, family_mask = inputs(x.shape[1], seed)
    prediction: Prediction = model(x, mask, ring(x.shape[1]), family_mask)
    return prediction


def stacked(prediction: Prediction) -> Tensor:
    return torch.stack([prediction[h] for h in HORIZONS])


def test_shapes() -> None:
    prediction = run(network(), inputs(6)[0])
    assert {h: tuple(score.shape) for h, score in prediction.items()} == dict.fromkeys(HORIZONS, (6,))
    assert {h: tuple(q.shape) for h, q in prediction.quantiles.items()} == dict.fromkeys(HORIZONS, (6, 5))
    assert prediction.levels == (0.05, 0.25, 0.5, 0.75, 0.95)
    assert prediction.path is not None
    assert prediction.path.shape == (6, 20)
    assert prediction.selection.shape == (6, len(network().group_names)) == (6, 5)


def test_the_last_step_reaches_every_score_in_eval_mode() -> None:
    for kind in ("fan", "san", "revin", NO_NORM):
        model, x = network({"model.fan.kind": kind}), inputs(6)[0].requires_grad_()
        for h in HORIZONS:
            (grad,) = torch.autograd.grad(run(model, x)[h].sum(), x)
            assert grad[-1].abs().min() > 0.0, (kind, h)


def test_a_neighbour_reaches_the_score_and_a_stranger_does_not() -> None:
    model, x = network({"model.graph.layers": 1}), inputs(9)[0].requires_grad_()
    graph = ring(9, n_nodes=0)
    keep = (graph.edge_index < 9).all(0)
    graph = type(graph)(graph.edge_index[:, keep], graph.edge_attr[keep], 9, 9)
    model(x, torch.ones(LENGTH, 9, dtype=torch.bool), graph)[5][4].backward()
    assert x.grad is not None
    reached = x.grad[-1].abs().amax(-1)
    assert (reached[3:6] > 0.0).all()
    assert (reached[[0, 1, 2, 6, 7, 8]] == 0.0).all()


def test_an_isolated_stock_scores_as_without_a_graph() -> None:
    x, mask, family_mask = inputs(6)
    model, graph = network(), ring(6)
    keep = (graph.edge_index != 2).all(0)
    cut = type(graph)(graph.edge_index[:, keep], graph.edge_attr[keep], graph.n_stocks, graph.n_nodes)
    with_graph = stacked(model(x, mask, cut, family_mask))
    model.activate(frozenset({"adaptive_norm"}))
    without = stacked(model(x, mask, None, family_mask))
    same = (with_graph == without).all(0)
    assert same.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("part", ["adaptive_norm", "graph"])
def test_an_inactive_part_is_bypassed(part: str) -> None:
    model, (x, mask, family_mask) = network(), inputs(6)
    on = model(x, mask, ring(6), family_mask)
    model.activate(model.parts - {part})
    off = model(x, mask, ring(6), family_mask)
    assert not torch.allclose(stacked(on), stacked(off))
    torch.autograd.backward(stacked(off).sum())
    groups = model.parameter_groups()
    assert all(parameter.grad is None for parameter in groups[part])
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in groups["base"])
    with torch.no_grad():
        for parameter in groups[part]:
            parameter.fill_(float("nan"))
    assert torch.equal(stacked(off), stacked(model(x, mask, ring(6), family_mask)))


def test_without_the_adaptive_norm_there_is_no_path() -> None:
    for model in (network(), network({"model.fan.kind": NO_NORM})):
        model.activate(model.parts - {"adaptive_norm"})
        prediction = run(model, inputs(6)[0])
        assert prediction.path is None
        assert model.group_names == LAYOUT.families
        assert prediction.selection.shape == (6, len(LAYOUT.families))


def test_the_path_adds_to_the_scores_as_defined() -> None:
    model, x = network(), inputs(6)[0]
    full = run(model, x)
    assert model.adaptive_norm is not None
    assert full.path is not None
    with torch.no_grad():
        torch.testing.assert_close(model.adaptive_norm.path_weights, torch.full((4,), 0.1))
        model.adaptive_norm.path_weights.zero_()
    rest = run(model, x)
    for h in HORIZONS:
        added = 0.1 * full.path[:, :h].sum(1) / math.sqrt(h)
        torch.testing.assert_close(full[h] - rest[h], added, atol=1e-6, rtol=1e-4)


def test_a_disabled_graph_is_not_built() -> None:
    model, (x, mask, family_mask) = network({"model.graph.enabled": False}), inputs(6)
    assert model.graph is None
    assert model.parts == {"adaptive_norm"}
    assert model.parameter_groups()["graph"] == []
    assert torch.equal(stacked(model(x, mask, None, family_mask)), stacked(model(x, mask, ring(6), family_mask)))
    with pytest.raises(ModelError, match="has no graph"):
        model.activate(frozenset({"graph"}))


def test_a_missing_graph_is_refused() -> None:
    x, mask, _ = inputs(6)
    with pytest.raises(ModelError, match="graph = None"):
        network()(x, mask, None)


def test_another_width_is_refused_with_both_widths() -> None:
    x, mask, _ = inputs(6)
    with pytest.raises(ModelError, match=r"8 columns.*contract of 9"):
        network()(x[..., 1:], mask, ring(6))


def test_another_length_is_refused() -> None:
    x, mask, _ = inputs(6)
    with pytest.raises(ModelError, match="L = 8"):
        network()(x[1:], mask[1:], ring(6))


def test_a_path_shorter_than_a_horizon_is_refused() -> None:
    with pytest.raises(ModelError, match="longest horizon 20"):
        network({"model.fan.path": 10})


def test_every_parameter_belongs_to_one_group() -> None:
    model = network()
    groups = model.parameter_groups()
    assert set(groups) == {"base", "adaptive_norm", "graph", "head"}
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert all(groups.values())


def test_every_parameter_gets_gradient() -> None:
    model, (x, mask, family_mask) = network(), inputs(20)
    prediction = model(x, mask, ring(20), family_mask)
    quantiles = torch.stack(list(prediction.quantiles.values()))
    torch.autograd.backward(stacked(prediction).square().sum() + quantiles.sum())
    dead = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert dead == []


def test_the_family_mask_is_an_input() -> None:
    model, (x, mask, family_mask) = network(), inputs(6)
    changed = family_mask.clone()
    changed[-1, 3, 1] = ~changed[-1, 3, 1]
    before, after = (stacked(model(x, mask, ring(6), m)) for m in (family_mask, changed))
    assert not torch.equal(before[:, 3], after[:, 3])


def test_an_unlisted_stock_does_no_harm() -> None:
    model, (x, mask, family_mask) = network(), inputs(6)
    mask[:, 2] = False
    x[:, 2] = float("nan")
    scores = stacked(model(x, mask, ring(6), family_mask))
    assert scores.isfinite().all()


def test_same_seed_same_network() -> None:
    settings = load_settings("demo", environ={})
    first, second = build_model(settings, CONTRACT), build_model(settings, CONTRACT)
    other = build_model(settings.model_copy(update={"seed": 1}), CONTRACT)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.last_step.weight, other.last_step.weight)


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_model(load_settings("demo", environ={}), CONTRACT)
    assert torch.equal(torch.rand(1), expected)


def test_the_layout_follows_the_contract() -> None:
    layout = InputLayout.of(CONTRACT)
    assert layout.families == CONTRACT.families
    assert layout.width == len(CONTRACT.columns)
    assert [CONTRACT.columns[place].name for place in layout.return_like] == [
        column.name for column in CONTRACT.columns if column.return_like
    ]
    assert len(layout.return_like) == 3


def test_an_unknown_model_is_refused() -> None:
    settings = load_settings("demo", environ={})
    unknown = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "oracle"})})
    with pytest.raises(ModelError, match="'oracle' is unknown"):
        build_model(unknown, CONTRACT)


def test_weights_come_back_from_safetensors(tmp_path: Path) -> None:
    model, other, x = network(), network(seed=1), inputs(6)[0]
    save_model(model, str(tmp_path / "model.safetensors"))
    assert not torch.equal(stacked(run(model, x)), stacked(run(other, x)))
    load_model(other, str(tmp_path / "model.safetensors"))
    assert torch.equal(stacked(run(model, x)), stacked(run(other, x)))


def test_bfloat16_runs_and_stays_close() -> None:
    model, x = network(), inputs(30)[0]
    exact = stacked(run(model, x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = stacked(run(model, x)).float()
    assert torch.corrcoef(torch.stack([exact.flatten(), rough.flatten()]))[0, 1] > 0.99


def test_dropout_acts_in_training_only() -> None:
    model, x = network(), inputs(6)[0]
    assert torch.equal(stacked(run(model, x)), stacked(run(model, x)))
    model.train()
    assert not torch.equal(stacked(run(model, x)), stacked(run(model, x)))
