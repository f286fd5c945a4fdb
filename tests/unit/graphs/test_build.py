"""One session's graph: symmetric, capped, keyed by Code, with hierarchy nodes after the stocks."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from atft_pipeline.errors import GraphError
from atft_pipeline.graphs import Graph, build_graph
from atft_pipeline.sections import GraphSettings
from tests.unit.graphs.market import CODES, SECTORS, returns_with_industries

SETTINGS = GraphSettings(window=100, half_life=50.0, min_common=60, k=3)
DAY = date(2024, 6, 3)


def named_edges(graph: Graph) -> dict[tuple[str, str], tuple[float, ...]]:
    names = [*graph.codes, *graph.node_names]
    ends = [(names[i], names[j]) for i, j in graph.edge_index.T.tolist()]
    assert len(set(ends)) == len(ends), "an edge is there twice"
    return dict(zip(ends, map(tuple, graph.edge_attr.tolist()), strict=True))


def test_industries_find_each_other() -> None:
    graph = build_graph(returns_with_industries(100), CODES, SECTORS, SETTINGS, as_of=DAY)
    stocks = {ends: f for ends, f in named_edges(graph).items() if ":" not in "".join(ends)}
    assert len(stocks) >= 12 * 3
    assert all(SECTORS[a] == SECTORS[b] for a, b in stocks)
    assert all(f[0] >= 0.3 and f[1] == f[2] == 1.0 for f in stocks.values())
    assert graph.as_of == DAY


def test_edges_are_symmetric_capped_and_without_loops() -> None:
    edges = named_edges(build_graph(returns_with_industries(100, holes=0.1), CODES, SECTORS, SETTINGS, as_of=DAY))
    assert all(edges[b, a] == features for (a, b), features in edges.items())
    assert all(a != b for a, b in edges)
    for code in CODES:
        assert sum(a == code and ":" not in b for a, b in edges) <= 2 * SETTINGS.k


def test_order_of_codes_changes_the_numbering_only() -> None:
    returns = returns_with_industries(100, holes=0.1)
    values = np.linspace(1e6, 5e6, 12)
    order = np.random.default_rng(5).permutation(12)
    first = build_graph(returns, CODES, SECTORS, SETTINGS, as_of=DAY, values=values)
    second = build_graph(
        returns[:, order], [CODES[i] for i in order], SECTORS, SETTINGS, as_of=DAY, values=values[order]
    )
    assert named_edges(first) == named_edges(second)


def test_hierarchy_nodes_follow_the_stocks() -> None:
    sectors = dict(SECTORS) | {CODES[0]: ("", "")}
    graph = build_graph(returns_with_industries(100), CODES, sectors, SETTINGS, as_of=DAY)
    assert graph.node_names == ("S17:1", "S17:6", "S33:0050", "S33:3650")
    assert (graph.n_stocks, graph.n_nodes) == (12, 16)
    edges = named_edges(graph)
    assert {b for a, b in edges if a == CODES[1] and ":" in b} == {"S33:3650", "S17:6"}
    assert not any(":" in b for a, b in edges if a == CODES[0])
    assert all(features == (0.0,) * 6 for ends, features in edges.items() if ":" in "".join(ends))


def test_no_hierarchy_when_switched_off() -> None:
    settings = SETTINGS.model_copy(update={"hierarchy": False})
    graph = build_graph(returns_with_industries(100), CODES, SECTORS, settings, as_of=DAY)
    assert graph.n_nodes == graph.n_stocks == 12
    assert graph.edge_index.max() < 12


def test_only_the_window_counts() -> None:
    returns = returns_with_industries(160)
    changed = returns.copy()
    changed[:60] = returns_with_industries(60, seed=9)
    first, second = (build_graph(r, CODES, SECTORS, SETTINGS, as_of=DAY) for r in (returns, changed))
    assert named_edges(first) == named_edges(second)


@pytest.mark.parametrize("codes", [CODES[:5], (*CODES[:11], CODES[0])])
def test_codes_that_do_not_fit_are_refused(codes: tuple[str, ...]) -> None:
    with pytest.raises(GraphError, match="does not fit"):
        build_graph(returns_with_industries(100), codes, SECTORS, SETTINGS, as_of=DAY)
