"""Graph attention against PyG, by hand, and in what it must not do."""

from __future__ import annotations

import warnings

import pytest
import torch

from atft_pipeline.model.graph import BatchGraph
from atft_pipeline.model.graph_attention import (
    SPEED,
    GraphAttentionLayer,
    GraphEncoder,
    edge_softmax,
    neighbour_mean,
)
from tests.unit.model.toy import ring


def graph_encoder(**changes: float) -> GraphEncoder:
    torch.manual_seed(0)
    given = {"edge_dropout": 0.0, "drop_path": 0.0} | changes
    return GraphEncoder(
        8, 3, layers=2, heads=2, gate=0.5, edge_dropout=given["edge_dropout"], drop_path=given["drop_path"]
    )


def test_equals_pyg_at_temperature_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import GATv2Conv
    torch.manual_seed(0)
    ours = GraphAttentionLayer(8, 12, 3)
    theirs = GATv2Conv(8, 4, heads=3, edge_dim=6, bias=False, add_self_loops=False)
    with torch.no_grad():
        theirs.lin_l.weight.copy_(SPEED * ours.source.weight)
        theirs.lin_r.weight.copy_(SPEED * ours.target.weight)
        theirs.lin_edge.weight.copy_(SPEED * ours.edge.weight)
        theirs.att.copy_(ours.attention.unsqueeze(0))
    states, edges, attr = torch.randn(20, 8), torch.randint(0, 20, (2, 90)), torch.randn(90, 6)
    torch.testing.assert_close(ours(states, edges, attr), theirs(states, edges, attr), atol=1e-5, rtol=1e-5)


def test_softmax_over_edges_by_hand() -> None:
    logits = torch.log(torch.tensor([[1.0], [3.0], [5.0], [1.0]]))
    found = edge_softmax(logits, torch.tensor([0, 0, 2, 0]), 3)
    torch.testing.assert_close(found, torch.tensor([[0.2], [0.6], [1.0], [0.2]]))


def test_softmax_survives_large_logits() -> None:
    found = edge_softmax(torch.tensor([[1e4], [1e4 - 1]]), torch.tensor([0, 0]), 1)
    torch.testing.assert_close(found, torch.softmax(torch.tensor([[1.0], [0.0]]), 0), atol=1e-3, rtol=0)


def test_temperature_starts_at_one_and_sharpens() -> None:
    layer = GraphAttentionLayer(8, 8, 2)
    assert layer.temperature.item() == pytest.approx(1.0)
    states, edges = torch.randn(5, 8), torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]])
    before = layer(states, edges, torch.zeros(4, 6))
    with torch.no_grad():
        layer.theta.fill_(-20.0)
    assert layer.temperature.item() == pytest.approx(0.5)
    assert not torch.allclose(before, layer(states, edges, torch.zeros(4, 6)))


def test_a_node_without_neighbours_gets_exactly_nothing() -> None:
    layer = GraphAttentionLayer(8, 8, 2)
    out = layer(torch.randn(4, 8), torch.tensor([[0, 1], [1, 0]]), torch.randn(2, 6))
    assert torch.equal(out[2:], torch.zeros(2, 8))
    assert out[:2].abs().min() > 0.0


def test_a_graph_without_edges_is_no_graph() -> None:
    net, state = graph_encoder(), torch.randn(5, 8)
    empty = BatchGraph(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 6), 5, 7)
    assert torch.equal(net(state, torch.randn(5, 3), empty), state)


def test_hierarchy_nodes_start_as_the_mean_of_their_members() -> None:
    states = torch.tensor([[1.0], [3.0], [10.0]])
    found = neighbour_mean(states, torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), 3)
    assert found.flatten().tolist() == [2.0, 10.0, 0.0]


def test_a_member_reaches_another_only_through_their_node() -> None:
    net = graph_encoder()
    edges = torch.tensor([[0, 1, 3, 3], [3, 3, 0, 1]])
    graph = BatchGraph(edges, torch.zeros(4, 6), 3, 4)
    state = torch.randn(3, 8, requires_grad=True)
    net(state, torch.zeros(3, 3), graph)[0].sum().backward()
    assert state.grad is not None
    assert state.grad[1].abs().min() > 0.0
    assert state.grad[2].abs().max() == 0.0


def test_the_gate_scales_the_update() -> None:
    net, state, x, graph = graph_encoder(), torch.randn(6, 8), torch.randn(6, 3), ring(6)
    torch.testing.assert_close(torch.sigmoid(net.gates), torch.full((2, 8), 0.5))
    with torch.no_grad():
        net.gates.fill_(-100.0)
    torch.testing.assert_close(net(state, x, graph), state)


def test_edges_are_dropped_in_training_only() -> None:
    net, graph = graph_encoder(edge_dropout=0.5), ring(200)
    state, x = torch.randn(200, 8), torch.randn(200, 3)
    net.eval()
    assert torch.equal(net(state, x, graph), net(state, x, graph))
    net.train()
    assert not torch.equal(net(state, x, graph), net(state, x, graph))


def test_layers_are_dropped_with_their_depth() -> None:
    """With drop_path .5 over two layers a node skips the first with 1/4 and the second with 1/2."""
    net = graph_encoder(drop_path=0.5).train()
    kept = [net._kept_nodes(torch.zeros(20_000, 8), place) for place in range(2)]
    for share, keep in zip((0.75, 0.5), kept, strict=True):
        assert sorted(set(keep.flatten().tolist())) == pytest.approx([0.0, 1.0 / share])
        assert keep.mean().item() == pytest.approx(1.0, abs=0.03)
    net.eval()
    assert net._kept_nodes(torch.zeros(5, 8), 1).tolist() == [1.0]
