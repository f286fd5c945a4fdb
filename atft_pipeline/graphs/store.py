"""Hands out the graph of a day in the order of a batch's stocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from atft_pipeline.errors import GraphError
from atft_pipeline.graphs.build import Graph
from atft_pipeline.graphs.edges import EDGE_FEATURES

MAX_AGE_DAYS = 31
"""Calendar days that the latest graph may be old; beyond that a whole month of graphs is missing."""


class GraphStore:
    """Edges of many as-of dates, held as numbers of names and looked up per day."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """From a `graphs` table, in any order.

        Raises:
            GraphError: the table is empty.
        """
        if frame.is_empty():
            raise GraphError("graphs holds no edge.", remedy="Make graphs for the period first.")
        frame = frame.sort("Date", "source", "target")
        names = pl.concat([frame["source"], frame["target"]]).unique().sort()
        number = {name: i for i, name in enumerate(names.to_list())}
        counts = frame.group_by("Date", maintain_order=True).len()
        self.days: tuple[date, ...] = tuple(counts["Date"].to_list())
        self._names = names.to_numpy().astype(np.str_)
        self._is_node = names.str.contains(":", literal=True).to_numpy()
        self._ends = np.stack(
            [frame[end].replace_strict(number, return_dtype=pl.Int64).to_numpy() for end in ("source", "target")]
        )
        self._attributes = np.ascontiguousarray(frame.select(EDGE_FEATURES).to_numpy())
        self._starts = np.concatenate([[0], np.cumsum(counts["len"].to_numpy(), dtype=np.int64)])

    def for_day(self, day: date, codes: Sequence[str]) -> Graph:
        """The latest graph with as-of date <= `day`, numbered in the order of `codes`.

        Edges of stocks that are not in `codes` are dropped; codes that the graph does not know have no edge; hierarchy
        nodes that keep a member follow after the N stocks.

        Raises:
            GraphError: no graph exists up to `day`, or the latest is more than 31 days old.
        """
        at = bisect_right(self.days, day) - 1
        if at < 0 or (day - self.days[at]).days > MAX_AGE_DAYS:
            latest = "none" if at < 0 else str(self.days[at])
            raise GraphError(
                f"day = {day}: latest graph is of {latest}, it may be {MAX_AGE_DAYS} days old.",
                remedy="Make graphs for the months in between.",
            )
        rows = slice(self._starts[at], self._starts[at + 1])
        number = self._numbers(codes)
        ends, attributes = self._ends[:, rows], self._attributes[rows]
        kept = ((number[ends] >= 0) | self._is_node[ends]).all(axis=0)
        ends, attributes = ends[:, kept], attributes[kept]
        nodes = np.unique(ends[self._is_node[ends]])
        number[nodes] = len(codes) + np.arange(len(nodes))
        return Graph(tuple(codes), tuple(self._names[nodes].tolist()), number[ends], attributes, self.days[at])

    def _numbers(self, codes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Number of each name in the batch, -1 for names that are not in it."""
        wanted = np.asarray(codes, dtype=np.str_)
        place = np.searchsorted(self._names, wanted).clip(max=len(self._names) - 1)
        present = self._names[place] == wanted
        number = np.full(len(self._names), -1, dtype=np.int64)
        number[place[present]] = np.flatnonzero(present)
        return number
