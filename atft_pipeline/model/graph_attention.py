"""Graph attention between stocks: GATv2 with edge features and a temperature, on a gated residual."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atft_pipeline.model.graph import EDGE_FEATURES, BatchGraph

NEGATIVE_SLOPE = 0.2
SPEED = 8.0
"""Weights are held at an eighth and multiplied by 8, so that an Adam step moves a layer eight times as far. From equal
weights to one chosen neighbour is a long way, and the graph's phase is a few epochs of noisy days: on a planted
"largest neighbour" signal two such epochs reached a correlation of .04 at 1 and .38 at 8; 16 diverged at rate 3e-3."""


def edge_softmax(logits: Tensor, target: Tensor, n_nodes: int) -> Tensor:
    """Softmax over the edges that end at the same node: [E, heads] -> [E, heads]."""
    index = target.unsqueeze(-1).expand_as(logits)
    # The maximum is subtracted for range only: the softmax does not depend on it, so it needs no gradient.
    floor = torch.full((n_nodes, logits.shape[1]), -torch.inf, dtype=logits.dtype, device=logits.device)
    largest = floor.scatter_reduce(0, index, logits.detach(), "amax")
    weights = (logits - largest.index_select(0, target)).exp()
    total = torch.zeros_like(largest).index_add(0, target, weights)
    shares: Tensor = weights / total.index_select(0, target)
    return shares


def neighbour_mean(states: Tensor, source: Tensor, target: Tensor, n_nodes: int) -> Tensor:
    """Mean of the sources' states at each target: [N, W] -> [n_nodes, W]; 0 without a source."""
    total = states.new_zeros(n_nodes, states.shape[1]).index_add(0, target, states.index_select(0, source))
    count = torch.bincount(target, minlength=n_nodes).clamp_min(1)
    return total / count.unsqueeze(-1)


class QuickLinear(nn.Linear):
    """A linear layer without bias, Xavier-uniform at the start, that learns `SPEED` times as fast."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.xavier_uniform_(self.weight, gain=1.0 / SPEED)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] -> [..., n_out]."""
        out: Tensor = SPEED * super().forward(x)
        return out


class GraphAttentionLayer(nn.Module):
    """One GATv2 layer: [n_nodes, W] -> [n_nodes, H].

    `e_ij = a' LeakyReLU(W_s x_j + W_t x_i + W_e edge_ji)`, `alpha = softmax_j(e / tau)`,
    `out_i = sum_j alpha_ij W_s x_j`, heads side by side, `tau = 0.5 + 1.5 sigmoid(theta)`, 1 at the start.
    No bias and no self-loops: a node without neighbours gets exactly 0, that is "no graph". Equals PyG's
    GATv2Conv at tau = 1; written out because that one has no temperature, and importing it costs seconds.
    Source: Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022, eq. 7.
    """

    def __init__(self, n_in: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = hidden // heads
        self.source = QuickLinear(n_in, hidden)
        self.target = QuickLinear(n_in, hidden)
        self.edge = QuickLinear(EDGE_FEATURES, hidden)
        self.attention = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, self.width)))
        self.theta = nn.Parameter(torch.tensor(-math.log(2.0)))

    @property
    def temperature(self) -> Tensor:
        """tau, within (0.5, 2)."""
        tau: Tensor = 0.5 + 1.5 * torch.sigmoid(self.theta)
        return tau

    def forward(self, states: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """States [n_nodes, W], edges [2, E], features [E, 6] -> [n_nodes, H]."""
        source, target = edge_index
        sent = self.source(states).index_select(0, source)
        mixed = F.leaky_relu(sent + self.target(states).index_select(0, target) + self.edge(edge_attr), NEGATIVE_SLOPE)
        logits = (mixed.view(-1, self.heads, self.width) * self.attention).sum(-1) / self.temperature
        alpha = edge_softmax(logits, target, len(states))
        messages = sent.view(-1, self.heads, self.width) * alpha.unsqueeze(-1)
        # zeros of the messages' own type: under autocast the softmax is float32, the states are not
        summed: Tensor = messages.new_zeros(len(states), sent.shape[1]).index_add(0, target, messages.flatten(1))
        return summed


class GraphEncoder(nn.Module):
    """Graph attention layers over stocks and hierarchy nodes: state [N, H] -> state [N, H].

    Layer l (1, 2, ..): `z <- z + keep_l * g_l * GAT_l(z)`, g a sigmoid gate per hidden unit that starts at
    `gate`, keep the stochastic depth of a node with `P(drop) = l / n_layers * drop_path`. The first layer reads
    the stock's own inputs of the last step beside z: what a neighbour passes on (its return, by its size) need not
    first be learnt by the encoder. A hierarchy node starts as the mean of its members, which are the stocks with
    an edge into it, and has no output. Edges are dropped in training only.
    """

    def __init__(
        self, hidden: int, n_inputs: int, *, layers: int, heads: int, gate: float, edge_dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        self.edge_dropout = edge_dropout
        self.drop_path = drop_path
        self.layers = nn.ModuleList(
            GraphAttentionLayer(hidden + (n_inputs if place == 0 else 0), hidden, heads) for place in range(layers)
        )
        self.gates = nn.Parameter(torch.full((layers, hidden), math.log(gate / (1.0 - gate))))

    def forward(self, state: Tensor, inputs: Tensor, graph: BatchGraph) -> Tensor:
        """State [N, H], inputs of the last step [N, F], graph of the batch -> state [N, H]."""
        hidden = state.shape[1]
        first = self._with_hierarchy(torch.cat([state, inputs], dim=-1), graph)
        nodes = first[:, :hidden]
        edge_index, edge_attr = self._kept_edges(graph)
        for place, layer in enumerate(self.layers):
            update = layer(first if place == 0 else nodes, edge_index, edge_attr)
            nodes = nodes + self._kept_nodes(update, place) * torch.sigmoid(self.gates[place]) * update
        return nodes[: graph.n_stocks]

    def _with_hierarchy(self, stocks: Tensor, graph: BatchGraph) -> Tensor:
        source, target = graph.edge_index
        member = (target >= graph.n_stocks) & (source < graph.n_stocks)
        means = neighbour_mean(stocks, source[member], target[member] - graph.n_stocks, graph.n_nodes - graph.n_stocks)
        return torch.cat([stocks, means])

    def _kept_edges(self, graph: BatchGraph) -> tuple[Tensor, Tensor]:
        if not self.training or self.edge_dropout == 0.0:
            return graph.edge_index, graph.edge_attr
        kept = torch.rand(graph.edge_index.shape[1], device=graph.edge_index.device) >= self.edge_dropout
        return graph.edge_index[:, kept], graph.edge_attr[kept]

    def _kept_nodes(self, update: Tensor, place: int) -> Tensor:
        keep = 1.0 - self.drop_path * (place + 1) / len(self.layers)
        if not self.training or keep == 1.0:
            return update.new_ones(1)
        # Divided by the share kept, so that the mean update is the one of eval mode.
        return update.new_empty(len(update), 1).bernoulli_(keep) / keep
