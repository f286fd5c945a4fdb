"""The batch's graph: several days side by side, and graphs that do not fit."""

from __future__ import annotations

import pytest
import torch

from atft_pipeline.errors import ModelError
from atft_pipeline.model import BatchGraph
from tests.unit.model.toy import ring


def test_days_side_by_side() -> None:
    """Two stocks and one node; then one stock and two nodes: stocks 0 1 | 2, nodes 3 | 4 5."""
    first = BatchGraph(torch.tensor([[0, 2], [1, 0]]), torch.zeros(2, 6), 2, 3)
    second = BatchGraph(torch.tensor([[0, 2], [1, 0]]), torch.ones(2, 6), 1, 3)
    both = BatchGraph.concatenate([first, second])
    assert both.edge_index.tolist() == [[0, 3, 2, 5], [1, 0, 4, 2]]
    assert both.edge_attr[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert (both.n_stocks, both.n_nodes) == (3, 6)


def test_a_graph_of_other_stocks_is_refused() -> None:
    with pytest.raises(ModelError, match=r"n_stocks = 5.*holds 6"):
        ring(5).checked(6)


def test_edges_without_their_features_are_refused() -> None:
    with pytest.raises(ModelError, match=r"shape \(2, 5\)"):
        BatchGraph(torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, 5), 2, 2).checked(2)
