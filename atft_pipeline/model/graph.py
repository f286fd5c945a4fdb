"""The graph of a batch: edges over the stocks of all its days, hierarchy nodes behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from atft_pipeline.errors import ModelError

EDGE_FEATURES = 6
"""rho, same S33, same S17, volatility similarity, sector residual rho, size similarity."""


@dataclass(frozen=True)
class BatchGraph:
    """Directed edges between the nodes of a batch.

    Nodes [0, n_stocks) are the batch's stocks in the batch's own order, nodes [n_stocks, n_nodes) are hierarchy
    nodes (industries and sectors). An edge runs from `edge_index[0]` to `edge_index[1]`.

    Attributes:
        edge_index: int64 [2, E].
        edge_attr: float32 [E, 6], in the order of `EDGE_FEATURES`.
        n_stocks: number of stocks N.
        n_nodes: stocks and hierarchy nodes together.
    """

    edge_index: Tensor
    edge_attr: Tensor
    n_stocks: int
    n_nodes: int

    def to(self, device: torch.device | str) -> BatchGraph:
        """The same graph on a device."""
        return BatchGraph(self.edge_index.to(device), self.edge_attr.to(device), self.n_stocks, self.n_nodes)

    def checked(self, n_stocks: int) -> BatchGraph:
        """The graph itself, if it fits a batch of `n_stocks` stocks.

        Raises:
            ModelError: another number of stocks, or another number of edge features.
        """
        if self.n_stocks != n_stocks:
            raise ModelError(
                f"graph.n_stocks = {self.n_stocks}, but the batch holds {n_stocks} stocks.",
                remedy="Make the graph with GraphStore.for_day(day, codes) from the batch's own codes.",
            )
        if self.edge_attr.shape != (self.edge_index.shape[1], EDGE_FEATURES):
            raise ModelError(
                f"graph.edge_attr has shape {tuple(self.edge_attr.shape)}, expected"
                f" ({self.edge_index.shape[1]}, {EDGE_FEATURES}).",
                remedy="Give every edge its six features.",
            )
        return self

    @classmethod
    def concatenate(cls, graphs: Sequence[BatchGraph]) -> BatchGraph:
        """One block-diagonal graph of several days: all stocks first, day after day, then all hierarchy nodes."""
        n_stocks = sum(graph.n_stocks for graph in graphs)
        edges, stocks_before, nodes_before = [], 0, n_stocks
        for graph in graphs:
            # A stock moves behind the earlier days' stocks, a hierarchy node behind all stocks and earlier nodes.
            is_node = graph.edge_index >= graph.n_stocks
            edges.append(graph.edge_index + torch.where(is_node, nodes_before - graph.n_stocks, stocks_before))
            stocks_before += graph.n_stocks
            nodes_before += graph.n_nodes - graph.n_stocks
        return cls(torch.cat(edges, dim=1), torch.cat([graph.edge_attr for graph in graphs]), n_stocks, nodes_before)
