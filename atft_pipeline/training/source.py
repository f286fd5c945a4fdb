"""Makes batches from the day store: selects the stocks of each day, applies the fold's affine, joins the graphs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from datetime import date
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.features.contract import Contract
from atft_pipeline.graphs.store import GraphStore
from atft_pipeline.model.graph import BatchGraph
from atft_pipeline.normalization.affine import Affine
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch


class BatchSource:
    """Batches of whole days for one fold: its affine is applied here, to `time_series` columns only."""

    def __init__(
        self,
        cache: ArrowCache,
        graphs: GraphStore | None,
        affine: Affine,
        settings: Settings,
        contract: Contract,
    ) -> None:
        """Bind the store to a fold.

        Raises:
            ContractError: the cache was made by another contract.
        """
        cache.require_contract(contract)
        self.cache = cache
        self.graphs = graphs
        self._window = settings.model.window
        self._path = settings.model.fan.path
        self._raw = np.flatnonzero([column.kind == "time_series" for column in contract.columns])
        self._center = affine.center[self._raw].astype(np.float32)
        self._scale = affine.scale[self._raw].astype(np.float32)
        self._codes = np.array(cache.codes, dtype=object)

    def without_graph(self) -> BatchSource:
        """The same source, for a model whose graph is not active: edges are not even looked up."""
        source = copy(self)
        source.graphs = None
        return source

    def batch(self, days: Sequence[date]) -> Batch:
        """The stocks in the universe of each of `days`, in the order of the days and then of the codes.

        Raises:
            LakeError: a day is not in the cache, or its window begins before the cache does.
            GraphError: a day has no graph.
        """
        stocks = [np.flatnonzero(self.cache.mask(day)) for day in days]
        ends = np.cumsum([len(members) for members in stocks])
        n, length = int(ends[-1]), self._window
        x = np.empty((length, n, len(self.cache.feature_names)), dtype=np.float32)
        mask = np.empty((length, n), dtype=np.bool_)
        families = np.empty((length, n, len(self.cache.families)), dtype=np.bool_)
        targets = np.empty((n, len(self.cache.horizons)), dtype=np.float32)
        returns = np.empty_like(targets)
        path = np.full((n, self._path), np.nan, dtype=np.float32)
        for day, members, end in zip(days, stocks, ends.tolist(), strict=True):
            span = slice(end - len(members), end)
            x[:, span] = self.cache.window(day, length)[:, members]
            mask[:, span] = self.cache.window_mask(day, length)[:, members]
            families[:, span] = self.cache.family_window(day, length)[:, members]
            targets[span] = self.cache.targets(day)[members]
            returns[span] = self.cache.returns(day)[members]
            moves = self.cache.path_window(day, self._path)
            path[span, : len(moves)] = moves[:, members].T
        self._scale_in_place(x)
        known, path_known = np.isfinite(targets), np.isfinite(path)
        return Batch(
            x=torch.from_numpy(x),
            mask=torch.from_numpy(mask),
            family_mask=torch.from_numpy(families),
            # Masks are taken first: a 0 that stands for an unknown label never meets a loss.
            targets=torch.from_numpy(np.where(known, targets, np.float32(0.0))),
            target_mask=torch.from_numpy(known),
            returns=torch.from_numpy(np.where(known, returns, np.float32(0.0))),
            path=torch.from_numpy(np.where(path_known, path, np.float32(0.0))),
            path_mask=torch.from_numpy(path_known),
            day_index=torch.from_numpy(np.repeat(np.arange(len(days)), [len(members) for members in stocks])),
            graph=self._graph(days, stocks),
            codes=tuple(self._codes[np.concatenate(stocks)].tolist()),
            days=tuple(days),
        )

    def _scale_in_place(self, x: npt.NDArray[np.float32]) -> None:
        """X = (x - center) / scale on time-series columns, NaN -> 0 after it."""
        if len(self._raw):
            scaled = (x[:, :, self._raw] - self._center) / self._scale
            x[:, :, self._raw] = np.nan_to_num(scaled, copy=False, nan=0.0)

    def _graph(self, days: Sequence[date], stocks: Sequence[npt.NDArray[np.int64]]) -> BatchGraph | None:
        if self.graphs is None:
            return None
        graphs = [self.graphs.for_day(d, self._codes[m].tolist()) for d, m in zip(days, stocks, strict=True)]
        return BatchGraph.concatenate(
            [
                BatchGraph(torch.from_numpy(g.edge_index), torch.from_numpy(g.edge_attr), g.n_stocks, g.n_nodes)
                for g in graphs
            ]
        )


def prefetch(source: BatchSource, groups: Iterable[Sequence[date]], depth: int = 2) -> Iterator[Batch]:
    """Batches of `groups` in order, up to `depth` of them made ahead by ONE thread.

    There is no worker process: forked readers beside Arrow, polars and torch threads deadlock. An error in the thread
    is raised here, at the batch it belongs to; leaving the loop early ends the thread.
    """
    remaining = iter(groups)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as reader:
        pending: deque[Future[Batch]] = deque()
        try:
            pending.extend(reader.submit(source.batch, group) for group in islice(remaining, depth))
            while pending:
                batch = pending.popleft().result()
                pending.extend(reader.submit(source.batch, group) for group in islice(remaining, 1))
                yield batch
        finally:
            for future in pending:
                future.cancel()
