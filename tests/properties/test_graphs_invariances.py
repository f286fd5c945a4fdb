"""Graphs keep what they should: symmetric, capped, blind to order, to the unit of returns and to older prices."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.graphs import Graph, GraphStore, build_graph
from atft_pipeline.graphs.correlation import strongest_pairs, weighted_correlation
from atft_pipeline.graphs.series import edge_table
from atft_pipeline.sections import GraphSettings

DAY = date(2024, 6, 3)
SETTINGS = GraphSettings(window=40, half_life=20.0, min_common=20, k=2, threshold=0.2)


@st.composite
def markets(draw: st.DrawFn) -> tuple[npt.NDArray[np.float64], tuple[str, ...], dict[str, tuple[str, str]]]:
    """Returns [45, N] with factors and holes, codes, sectors."""
    n = draw(st.integers(2, 14))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factor = generator.normal(size=(45, 2)) @ generator.normal(size=(2, n))
    returns = 0.01 * (factor + draw(st.floats(0.1, 3.0)) * generator.normal(size=(45, n)))
    returns[generator.random(returns.shape) < draw(st.floats(0.0, 0.4))] = np.nan
    codes = tuple(f"{1300 + i}0" for i in range(n))
    return returns, codes, {code: (f"{i % 3}", f"{i % 2}") for i, code in enumerate(codes) if i % 5}


def named(graph: Graph) -> dict[tuple[str, str], tuple[float, ...]]:
    names = [*graph.codes, *graph.node_names]
    ends = [(names[i], names[j]) for i, j in graph.edge_index.T.tolist()]
    return dict(zip(ends, map(tuple, graph.edge_attr.tolist()), strict=True))


@settings(deadline=None)
@given(market=markets())
def test_a_graph_is_symmetric_capped_and_simple(
    market: tuple[npt.NDArray[np.float64], tuple[str, ...], dict[str, tuple[str, str]]],
) -> None:
    returns, codes, sectors = market
    graph = build_graph(returns, codes, sectors, SETTINGS, as_of=DAY)
    edges = named(graph)
    assert len(edges) == graph.edge_index.shape[1]
    assert all(edges[b, a] == features for (a, b), features in edges.items())
    assert all(a != b for a, b in edges)
    assert np.isfinite(graph.edge_attr).all()
    stocks = [(a, b) for a, b in edges if ":" not in a + b]
    assert all(edges[pair][0] ** 2 >= SETTINGS.threshold**2 - 1e-6 for pair in stocks)
    assert all(sum(a == code for a, _ in stocks) <= 2 * SETTINGS.k for code in codes)
    for a, b in edges:
        if ":" in b:
            level, name = b.split(":")
            assert sectors[a][level == "S17"] == name


@settings(deadline=None)
@given(market=markets(), order=st.randoms(use_true_random=False))
def test_order_changes_the_numbering_only(
    market: tuple[npt.NDArray[np.float64], tuple[str, ...], dict[str, tuple[str, str]]], order: object
) -> None:
    returns, codes, sectors = market
    places = list(range(len(codes)))
    order.shuffle(places)  # type: ignore[attr-defined]
    shuffled = [codes[i] for i in places]
    first = build_graph(returns, codes, sectors, SETTINGS, as_of=DAY)
    second = build_graph(returns[:, places], shuffled, sectors, SETTINGS, as_of=DAY)
    assert named(first) == named(second)
    store = GraphStore(edge_table(first)) if first.edge_index.size else None
    if store is not None:
        assert named(store.for_day(DAY, shuffled)) == named(first)


@settings(deadline=None)
@given(market=markets(), exponent=st.integers(-6, 6), seed=st.integers(0, 2**32 - 1))
def test_neither_the_unit_nor_older_returns_matter(
    market: tuple[npt.NDArray[np.float64], tuple[str, ...], dict[str, tuple[str, str]]], exponent: int, seed: int
) -> None:
    returns, codes, sectors = market
    scaled = returns * 2.0**exponent  # a power of two, so that no rounding differs
    scaled[:5] = np.random.default_rng(seed).normal(size=(5, len(codes)))
    first = build_graph(returns, codes, sectors, SETTINGS, as_of=DAY)
    second = build_graph(scaled, codes, sectors, SETTINGS, as_of=DAY)
    assert named(first) == named(second)


@settings(deadline=None)
@given(market=markets())
def test_no_stronger_pair_was_left_out_without_reason(
    market: tuple[npt.NDArray[np.float64], tuple[str, ...], dict[str, tuple[str, str]]],
) -> None:
    """A pair that is missing is weak, not among the best of either, or has a full end whose pairs are all stronger."""
    rho, _ = weighted_correlation(market[0], SETTINGS)
    strength = np.abs(rho)
    kept = {(int(i), int(j)) for i, j in strongest_pairs(rho, SETTINGS).T}
    degree = np.bincount(np.array(list(kept), dtype=int).reshape(-1), minlength=len(rho))
    for i in range(len(rho)):
        for j in range(i + 1, len(rho)):
            among_best = any(np.sum(strength[n] > strength[i, j]) < SETTINGS.k for n in (i, j))
            wanted = strength[i, j] >= SETTINGS.threshold and among_best
            full = [n for n in (i, j) if degree[n] == 2 * SETTINGS.k]
            weakest = [min(strength[a, b] for a, b in kept if n in (a, b)) for n in full]
            assert ((i, j) in kept) == (wanted and not any(w >= strength[i, j] for w in weakest if (i, j) not in kept))
