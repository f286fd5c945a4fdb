"""Batches: whole days, masks before fills, block-diagonal graphs, and one thread that reads ahead."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from copy import copy
from datetime import date

import numpy as np
import pytest
import torch

from atft_pipeline.errors import ContractError, LakeError
from atft_pipeline.graphs import GraphStore
from atft_pipeline.normalization.affine import Affine
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.source import BatchSource, prefetch
from tests.unit.cache.world import CONTRACT, small_settings
from tests.unit.training.lab import lab


def days_of(*positions: int) -> list[date]:
    return [lab().world.sessions[p] for p in positions]


def test_a_batch_holds_whole_days() -> None:
    days = days_of(30, 12, 47)
    batch = lab().source().batch(days)
    assert batch.days == tuple(days)
    assert batch.n_days == 3
    expected = [
        (place, code) for place, day in enumerate(days) for code in np.array(lab().cache.codes)[lab().cache.mask(day)]
    ]
    assert list(zip(batch.day_index.tolist(), batch.codes, strict=True)) == expected
    assert batch.x.shape == (6, len(expected), 8)
    assert batch.mask[-1].all()
    assert not batch.mask.all()


def test_values_are_those_of_the_cache_with_the_affine_on_time_series() -> None:
    days = days_of(8, 20)  # day 8: the window holds session 3, where `index` is unknown
    affine = Affine(center=np.arange(8, dtype=np.float32), scale=np.full(8, 2.0, dtype=np.float32))
    source = BatchSource(lab().cache, None, affine, small_settings(), CONTRACT)
    batch = source.batch(days)
    at = 0
    for day in days:
        members = np.flatnonzero(lab().cache.mask(day))
        window = lab().cache.window(day, 6)[:, members]
        own = slice(at, at + len(members))
        part = batch.x[:, own].numpy()
        np.testing.assert_array_equal(part[..., :6], window[..., :6])
        np.testing.assert_array_equal(part[..., 6], np.nan_to_num((window[..., 6] - 6.0) / 2.0))
        np.testing.assert_array_equal(part[..., 7], np.nan_to_num((window[..., 7] - 7.0) / 2.0))
        np.testing.assert_array_equal(
            batch.mask[:, at : at + len(members)], lab().cache.window_mask(day, 6)[:, members]
        )
        np.testing.assert_array_equal(
            batch.family_mask[:, at : at + len(members)], lab().cache.family_window(day, 6)[:, members]
        )
        at += len(members)
    assert (batch.x[0, : len(np.flatnonzero(lab().cache.mask(days[0]))), 6] == 0.0).all()
    assert batch.graph is None


def test_masks_come_before_fills() -> None:
    days = days_of(20, 65)
    batch = lab().source().batch(days)
    raw = np.concatenate([lab().cache.targets(day)[lab().cache.mask(day)] for day in days])
    path = np.concatenate([lab().cache.path(day, 20)[lab().cache.mask(day)] for day in days])
    assert np.isnan(raw).any()
    np.testing.assert_array_equal(batch.target_mask, np.isfinite(raw))
    np.testing.assert_array_equal(batch.path_mask, np.isfinite(path))
    assert (batch.targets[~batch.target_mask] == 0.0).all()
    assert (batch.returns[~batch.target_mask] == 0.0).all()
    assert (batch.path[~batch.path_mask] == 0.0).all()
    np.testing.assert_array_equal(batch.targets[batch.target_mask], raw[np.isfinite(raw)])
    assert not batch.path_mask[batch.day_index == 1, 15:].any()  # session 65 + 15 is past the end
    for tensor in (batch.x, batch.targets, batch.returns, batch.path):
        assert torch.isfinite(tensor).all()


def test_graphs_of_days_stand_side_by_side() -> None:
    days = days_of(40, 55)
    source = lab().source()
    graph = source.batch(days).graph
    singles = [source.batch([day]).graph for day in days]
    assert graph is not None
    assert singles[0] is not None
    assert singles[1] is not None
    assert graph.n_stocks == singles[0].n_stocks + singles[1].n_stocks
    assert graph.n_nodes == singles[0].n_nodes + singles[1].n_nodes
    first = singles[0].edge_index.shape[1]
    np.testing.assert_array_equal(graph.edge_attr[:first], singles[0].edge_attr)
    day_of_node = torch.cat(
        [
            lab().source().batch(days).day_index,
            torch.arange(2).repeat_interleave(singles[0].n_nodes - singles[0].n_stocks),
        ]
    )
    source_end, target_end = graph.edge_index
    assert (day_of_node[source_end] == day_of_node[target_end]).all()


def test_several_days_at_once_are_exact() -> None:
    model = lab().model().eval()
    source = lab().source()
    days = days_of(40, 55, 60)
    with torch.no_grad():
        together = score(model, source.batch(days))
        apart = torch.cat([score(model, source.batch([day])) for day in days], dim=1)
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)


def score(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    return torch.stack(list(model(batch.x, batch.mask, batch.graph, batch.family_mask).values()))


def test_without_graph_no_edge_is_looked_up() -> None:
    class Untouchable(GraphStore):
        def for_day(self, day: date, codes: Sequence[str]) -> None:  # type: ignore[override]
            raise AssertionError("an edge was looked up")

    source = lab().source()
    source.graphs = Untouchable(lab().world.graphs)
    assert source.without_graph().batch(days_of(40)).graph is None
    with pytest.raises(AssertionError, match="looked up"):
        source.batch(days_of(40))


def test_another_contract_or_a_window_before_the_cache_is_refused() -> None:
    identity = Affine(center=np.zeros(6, dtype=np.float32), scale=np.ones(6, dtype=np.float32))
    with pytest.raises(ContractError):
        BatchSource(lab().cache, None, identity, small_settings(), CONTRACT.select(["moves", "state"]))
    with pytest.raises(LakeError, match="window of 6"):
        lab().source().batch(days_of(4))


def test_prefetch_keeps_order_and_uses_one_thread_and_no_process() -> None:
    source = copy(lab().source())
    threads: set[str] = set()
    original = source.batch

    def recording(days: Sequence[date]) -> Batch:
        threads.add(threading.current_thread().name)
        return original(days)

    source.batch = recording  # type: ignore[method-assign]
    groups = [days_of(p) for p in (40, 41, 42, 43, 44)]
    batches = list(prefetch(source, groups))
    assert [list(batch.days) for batch in batches] == groups
    assert threads == {"batches_0"}
    assert not multiprocessing.active_children()


def test_an_error_in_the_thread_surfaces_at_its_batch() -> None:
    batches = prefetch(lab().source(), [days_of(40), days_of(4), days_of(41)])
    assert next(batches).days == tuple(days_of(40))
    with pytest.raises(LakeError, match="window of 6"):
        next(batches)


def test_leaving_early_ends_the_thread() -> None:
    batches = prefetch(lab().source(), [days_of(p) for p in range(20, 60)])
    next(batches)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    batches.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())
