"""Gated linear unit and gated residual network, for one input or for a stack of independent groups at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """G independent linear layers as one batched product: [G, M, I] -> [G, M, O].

    A loop over the families costs a kernel launch per family and layer; this is one.
    """

    def __init__(self, groups: int, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(n_in)
        self.weight = nn.Parameter(torch.empty(groups, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups, 1, n_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """`x_g W_g + b_g` for every group g."""
        return torch.baddbmm(self.bias, x, self.weight)


class StepDropout(nn.Module):
    """Dropout of [..., L, N, H] with one mask for all L steps, as recurrent networks need it.

    A mask per step would also cost more time than the LSTM: random numbers are drawn one after the other on a CPU.
    Source: Gal and Ghahramani 2016.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; the identity in eval mode."""
        dropped: Tensor = x * self.dropout(torch.ones_like(x[:1])) if self.training else x
        return dropped


class GatedLinearUnit(nn.Module):
    """`GLU(x) = sigmoid(W_1 x + b_1) * (W_2 x + b_2)`: it can close what is not needed.

    Source: Dauphin et al. 2017; Lim et al. 2021, eq. 5.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, 2 * n_out)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] -> [..., n_out]."""
        return F.glu(self.linear(x), dim=-1)


class GatedSkip(nn.Module):
    """`LayerNorm(skip + GLU(x))`, the norm over the hidden axis of one stock only."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gate = GatedLinearUnit(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Two tensors [..., H] -> [..., H]."""
        normed: Tensor = self.norm(skip + self.gate(x))
        return normed


class GatedResidual(nn.Module):
    """Gated residual network: `LayerNorm(a + GLU(ELU(W a + b)))`; if n_out differs from n_in, the skip is linear.

    The paper has one more linear layer between ELU and GLU; with the GLU's own it makes two linear maps in a row,
    which are one. Source: Lim et al. 2021, eq. 2-4.
    """

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        # A linear skip reads the same input as the first layer: both are one product, cut apart afterwards.
        self.widths = [hidden] if n_in == n_out else [hidden, n_out]
        self.first = nn.Linear(n_in, sum(self.widths))
        self.gate = GatedLinearUnit(hidden, n_out)
        self.norm = nn.LayerNorm(n_out)

    def forward(self, a: Tensor) -> Tensor:
        """[..., n_in] -> [..., n_out]."""
        inner, *linear_skip = torch.split(self.first(a), self.widths, dim=-1)
        skip = linear_skip[0] if linear_skip else a
        normed: Tensor = self.norm(skip + self.gate(F.elu(inner)))
        return normed


class GroupedGatedResidual(nn.Module):
    """G independent gated residual networks at once, without their norms: `a_g + GLU_g(ELU(W_g a_g + b_g))`.

    Inside they are half as wide: they run for every stock, step and group, which is where a forward pass spends most.
    """

    def __init__(self, groups: int, hidden: int) -> None:
        super().__init__()
        self.first = GroupedLinear(groups, hidden, hidden // 2)
        self.gate = GroupedLinear(groups, hidden // 2, 2 * hidden)

    def forward(self, a: Tensor) -> Tensor:
        """[G, M, H] -> [G, M, H]."""
        return a + F.glu(self.gate(F.elu(self.first(a), inplace=True)), dim=-1)
