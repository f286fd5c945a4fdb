"""The graph of one session: correlation edges between stocks, and industry and sector nodes above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from atft_pipeline.errors import GraphError
from atft_pipeline.graphs.correlation import strongest_pairs, weighted_correlation
from atft_pipeline.graphs.edges import EDGE_FEATURES, edge_features
from atft_pipeline.sections import GraphSettings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Graph:
    """Stocks 0 .. N-1, hierarchy nodes N .. N+M-1; every edge is there in both directions, sorted, without duplicate.

    Attributes:
        codes: the N stocks, in the order of their numbers.
        node_names: the M hierarchy nodes, such as "S33:3650" and "S17:6".
        edge_index: [2, E] source and target of each edge.
        edge_attr: [E, 6] `EDGE_FEATURES`; 0 on hierarchy edges.
        as_of: last session whose prices were used.
    """

    codes: tuple[str, ...]
    node_names: tuple[str, ...]
    edge_index: npt.NDArray[np.int64]
    edge_attr: npt.NDArray[np.float32]
    as_of: date

    @property
    def n_stocks(self) -> int:
        """N."""
        return len(self.codes)

    @property
    def n_nodes(self) -> int:
        """Stocks and hierarchy nodes together, N + M."""
        return len(self.codes) + len(self.node_names)


def build_graph(
    returns: Floats,
    codes: Sequence[str],
    sectors: Mapping[str, tuple[str, str]],
    settings: GraphSettings,
    *,
    as_of: date,
    values: Floats | None = None,
) -> Graph:
    """The graph of the session `as_of` from the returns up to it.

    Edges: weighted, shrunk correlation over at least `min_common` common sessions, |rho| >= threshold, the k strongest
    per stock, union, at most 2k per stock; then, if `hierarchy`, edges between a stock and its S33 and S17 nodes. The
    order of `codes` changes the numbering, never the edges. Only the last `window` rows are used.

    Args:
        returns: [T, N] market-residual returns in time order, the last row being `as_of`; NaN = no observation.
        codes: the N stocks.
        sectors: (S33, S17) of each stock; a stock that is missing here, or has "", belongs to none.
        settings: window, half-life, threshold, k.
        as_of: session of the last row.
        values: [N] median trading value in yen of the last 60 sessions, NaN if unknown; without it sizes are unknown.

    Raises:
        GraphError: shapes disagree or a code is given twice.
    """
    if returns.ndim != 2 or returns.shape[1] != len(codes) or len(set(codes)) != len(codes):
        raise GraphError(
            f"returns {returns.shape} does not fit {len(codes)} codes, {len(set(codes))} of them distinct.",
            remedy="Give one column of returns per code, each code once.",
        )
    # Computed in the order of the codes and mapped back: rounding cannot depend on the caller's order.
    order = np.argsort(np.array(codes, dtype=np.str_), kind="stable")
    ordered = np.asarray(returns[-settings.window :], dtype=np.float64)[:, order]
    s33, s17 = (np.array([sectors.get(codes[n], ("", ""))[level] for n in order], dtype=np.str_) for level in (0, 1))
    size = np.full(len(codes), np.nan) if values is None else np.asarray(values, dtype=np.float64)[order]

    rho, _ = weighted_correlation(ordered, settings)
    pairs = strongest_pairs(rho, settings)
    features = edge_features(pairs, rho, ordered, s33, s17, size, settings.half_life, settings.shrinkage)
    pairs = order[pairs]

    node_names, members = _hierarchy(codes, sectors) if settings.hierarchy else ((), np.empty((2, 0), dtype=np.int64))
    one_way = np.concatenate([pairs, members], axis=1)
    attributes = np.concatenate([features, np.zeros((members.shape[1], len(EDGE_FEATURES)), np.float32)])
    edge_index = np.concatenate([one_way, one_way[::-1]], axis=1)
    edge_attr = np.concatenate([attributes, attributes])
    sequence = np.lexsort((edge_index[1], edge_index[0]))
    return Graph(tuple(codes), node_names, edge_index[:, sequence], edge_attr[sequence], as_of)


def _hierarchy(
    codes: Sequence[str], sectors: Mapping[str, tuple[str, str]]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names of the nodes that have a member, and edges [2, members] from stock to node."""
    belongs = [
        (n, f"{level}:{name}")
        for n, code in enumerate(codes)
        for level, name in zip(("S33", "S17"), sectors.get(code, ("", "")), strict=True)
        if name
    ]
    names = tuple(sorted({name for _, name in belongs}))
    number = {name: len(codes) + m for m, name in enumerate(names)}
    edges = np.array([(n, number[name]) for n, name in belongs], dtype=np.int64).reshape(-1, 2)
    return names, edges.T
