"""The graph of a day in the order of a batch's stocks."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.errors import GraphError
from atft_pipeline.graphs import Graph, GraphStore, graphs_for_sessions
from atft_pipeline.graphs.series import SCHEMA
from atft_pipeline.sections import GraphSettings
from tests.unit.graphs.market import CODES, tables


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    bars, topix, universe, calendar = tables(100)
    april = calendar.between(date(2024, 4, 1), date(2024, 4, 30))
    return graphs_for_sessions(bars, topix, universe, april, calendar, GraphSettings(window=60, min_common=40, k=3))


def named(graph: Graph) -> set[tuple[str, str, float]]:
    names = [*graph.codes, *graph.node_names]
    rho = graph.edge_attr[:, 0].tolist()
    return {(names[i], names[j], r) for (i, j), r in zip(graph.edge_index.T.tolist(), rho, strict=True)}


def rows(frame: pl.DataFrame, day: date) -> set[tuple[str, str, float]]:
    return set(frame.filter(pl.col("Date") == day).select("source", "target", "rho").iter_rows())


def test_a_day_gets_the_latest_graph_up_to_it(frame: pl.DataFrame) -> None:
    store = GraphStore(frame)
    assert store.days[:2] == (date(2024, 4, 1), date(2024, 4, 8))
    for day in (date(2024, 4, 1), date(2024, 4, 5)):
        graph = store.for_day(day, CODES)
        assert graph.as_of == date(2024, 4, 1)
        assert named(graph) == rows(frame, date(2024, 4, 1))


def test_the_order_of_the_batch_changes_the_numbering_only(frame: pl.DataFrame) -> None:
    store = GraphStore(frame.sample(fraction=1.0, shuffle=True, seed=2))
    shuffled = [CODES[i] for i in np.random.default_rng(0).permutation(12)]
    graph = store.for_day(date(2024, 4, 8), shuffled)
    assert graph.codes == tuple(shuffled)
    assert named(graph) == rows(frame, date(2024, 4, 8))


def test_absent_stocks_are_dropped_and_strangers_isolated(frame: pl.DataFrame) -> None:
    kept = ["99990", *CODES[6:]]
    graph = GraphStore(frame).for_day(date(2024, 4, 8), kept)
    expected = {
        (a, b, r)
        for a, b, r in rows(frame, date(2024, 4, 8))
        if all(n in kept or n in ("S33:0050", "S17:1") for n in (a, b))
    }
    assert named(graph) == expected
    assert graph.node_names == ("S17:1", "S33:0050")
    assert not (graph.edge_index == 0).any()


def test_a_day_before_the_first_graph_or_long_after_the_last_is_refused(frame: pl.DataFrame) -> None:
    store = GraphStore(frame)
    with pytest.raises(GraphError, match="latest graph is of none"):
        store.for_day(date(2024, 3, 29), CODES)
    with pytest.raises(GraphError, match="latest graph is of 2024-04-29"):
        store.for_day(store.days[-1] + timedelta(days=32), CODES)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(GraphError, match="no edge"):
        GraphStore(pl.DataFrame(schema=SCHEMA))
