"""What must not change a score: the order of stocks, other days of the batch, masked steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atft_pipeline.model import BatchGraph, Prediction
from atft_pipeline.model.adaptive_norm import slice_bounds
from tests.unit.model.toy import NO_NORM, inputs, network, ring

FEW = settings(max_examples=15, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10_000)
KINDS = st.sampled_from(["fan", "san", "revin", NO_NORM])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small lose by a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def scores(prediction: Prediction) -> Tensor:
    """Scores of all horizons and all quantiles, [N, K + K Q]."""
    return torch.cat([torch.stack(list(prediction.values()), 1), *prediction.quantiles.values()], dim=1)


@FEW
@given(n_stocks=st.integers(3, 12), seed=SEEDS, kind=KINDS)
def test_stocks_in_another_order_get_the_same_scores(n_stocks: int, seed: int, kind: str) -> None:
    model = network({"model.fan.kind": kind})
    x, mask, family_mask = inputs(n_stocks, seed)
    graph = ring(n_stocks, seed=seed)
    order = torch.randperm(n_stocks, generator=torch.Generator().manual_seed(seed))
    place = torch.cat([torch.argsort(order), torch.arange(n_stocks, graph.n_nodes)])
    edges = torch.randperm(graph.edge_index.shape[1], generator=torch.Generator().manual_seed(seed))
    moved = BatchGraph(place[graph.edge_index][:, edges], graph.edge_attr[edges], n_stocks, graph.n_nodes)
    expected = scores(model(x, mask, graph, family_mask))[order]
    found = scores(model(x[:, order], mask[:, order], moved, family_mask[:, order]))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@FEW
@given(sizes=st.lists(st.integers(2, 8), min_size=2, max_size=4), seed=SEEDS)
def test_days_side_by_side_score_as_days_alone(sizes: list[int], seed: int) -> None:
    model = network()
    days = [inputs(size, seed + i) for i, size in enumerate(sizes)]
    graphs = [ring(size, n_nodes=1 + i, seed=seed + i) for i, size in enumerate(sizes)]
    alone = [scores(model(x, mask, graph, known)) for (x, mask, known), graph in zip(days, graphs, strict=True)]
    x, mask, known = (torch.cat(parts, dim=1) for parts in zip(*days, strict=True))
    together = scores(model(x, mask, BatchGraph.concatenate(graphs), known))
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-5, rtol=1e-4)


@FEW
@given(seed=SEEDS, kind=KINDS, filler=st.sampled_from([0.0, 1e6, float("nan"), float("inf")]))
def test_masked_steps_are_never_read(seed: int, kind: str, filler: float) -> None:
    model = network({"model.fan.kind": kind})
    x, mask, family_mask = inputs(7, seed)
    hidden = torch.where(mask.unsqueeze(-1), x, filler)
    other = family_mask | ~mask.unsqueeze(-1)
    expected = scores(model(x, mask, ring(7), family_mask))
    assert torch.equal(scores(model(hidden, mask, ring(7), other)), expected)


@FEW
@given(seed=SEEDS, scale=st.floats(0.1, 100.0))
def test_quantiles_never_cross_and_selection_sums_to_one(seed: int, scale: float) -> None:
    model = network(seed=seed)
    x, mask, family_mask = inputs(7, seed)
    prediction = model(scale * x, mask, ring(7), family_mask)
    for quantiles in prediction.quantiles.values():
        assert (quantiles.diff(dim=-1) >= 0.0).all()
    torch.testing.assert_close(prediction.selection.sum(-1), torch.ones(7))


@given(length=st.integers(1, 256), share=st.floats(0.0, 1.0))
def test_slices_tile_the_window(length: int, share: float) -> None:
    bounds = slice_bounds(length, max(1, round(share * length)))
    assert [step for start, stop in bounds for step in range(start, stop)] == list(range(length))
    assert all(stop > start for start, stop in bounds)
