"""The graph layers learn to pick one neighbour and to pass on what happened to it."""

from __future__ import annotations

import torch
from torch import Tensor

from atft_pipeline.losses import cs_ic_loss
from atft_pipeline.model import BatchGraph
from tests.unit.model.toy import LAYOUT, LENGTH, network

N, DEGREE = 100, 8


def planted_day(seed: int, neighbours: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Features with the size in column 1, and half of what column 0 last said of the largest neighbour."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(LENGTH, N, LAYOUT.width, generator=g)
    x[..., 1] = size
    largest = neighbours.gather(1, size[neighbours].argmax(1, keepdim=True)).squeeze(1)
    return x, 0.5 * x[-1, largest, 0]


def out_of_sample_correlation(*, with_graph: bool) -> float:
    """Mean correlation with the planted signal on 10 new days, after 150 days whose target has an IC of .35 with it."""
    g = torch.Generator().manual_seed(3)
    size = torch.randn(N, generator=g)
    neighbours = torch.stack([torch.randperm(N, generator=g)[:DEGREE] for _ in range(N)])
    edges = torch.stack([neighbours.flatten(), torch.arange(N).repeat_interleave(DEGREE)])
    graph = BatchGraph(edges, torch.zeros(edges.shape[1], 6), N, N)
    model, mask = network({"model.hidden": 16, "model.dropout": 0.0}), torch.ones(LENGTH, N, dtype=torch.bool)
    if not with_graph:
        model.activate(frozenset({"adaptive_norm"}))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    torch.manual_seed(0)
    model.train()
    for seed in range(150):
        x, signal = planted_day(seed, neighbours, size)
        target = signal + 1.34 * torch.randn(N)
        optimizer.zero_grad()
        torch.autograd.backward(cs_ic_loss(model(x, mask, graph)[5], target, mask[0]))
        optimizer.step()
    model.eval()
    with torch.no_grad():
        days = [planted_day(10_000 + i, neighbours, size) for i in range(10)]
        losses = [cs_ic_loss(model(x, mask, graph)[5], signal, mask[0]) for x, signal in days]
    return 1.0 - float(torch.stack(losses).mean())


def test_the_largest_neighbour_is_found() -> None:
    assert out_of_sample_correlation(with_graph=True) > 0.4


def test_without_the_graph_nothing_can_be_known() -> None:
    assert abs(out_of_sample_correlation(with_graph=False)) < 0.15
