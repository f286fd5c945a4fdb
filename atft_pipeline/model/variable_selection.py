"""Variable selection over feature groups: which family matters for this stock at this step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atft_pipeline.model.gated_residual import GatedResidual, GroupedGatedResidual


class Candidates(NamedTuple):
    """What a bank of groups offers: values [G, L, N, H] and logits [L, N, G]."""

    values: Tensor
    logits: Tensor


class FamilyEmbedding(nn.Module):
    """One linear layer per group, `xi_g = W_g x_g + m_g u_g + b_g`, as a single product with a block pattern.

    Cells of the weight outside the pattern are held at 0. That multiplies by zeros, and is still several times
    faster than gathering, multiplying and stacking group by group.
    """

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        n_groups = len(widths)
        # The input holds the groups' channels side by side, then one mask per group.
        group_of_input = torch.cat(
            [torch.arange(n_groups).repeat_interleave(torch.tensor(widths)), torch.arange(n_groups)]
        )
        group_of_output = torch.arange(n_groups).repeat_interleave(hidden)
        bound = (torch.tensor(widths) + 1.0).rsqrt()[group_of_output]
        self.register_buffer("pattern", (group_of_output[:, None] == group_of_input).float(), persistent=False)
        self.weight = nn.Parameter(torch.empty(self.get_buffer("pattern").shape).uniform_(-1, 1) * bound[:, None])
        self.bias = nn.Parameter(torch.empty(n_groups * hidden).uniform_(-1, 1) * bound)

    def forward(self, channels: Tensor, known: Tensor) -> Tensor:
        """Channels [L, N, W] and masks [L, N, G] -> embeddings side by side, [L, N, G * H]."""
        weight = self.weight * self.get_buffer("pattern")
        return F.linear(torch.cat([channels, known], dim=-1), weight, self.bias)


class GroupBank(nn.Module):
    """Embeds G groups of channels and weighs them: one linear layer and one gated residual network per group.

    `value_g = GRN_g(xi_g)`, `logits = GRN([xi_1 .. xi_G])`, xi the embeddings. Per family instead of per feature
    as in the paper: one network per feature costs 19 GB a day at F = 306, N = 4,000, L = 60, H = 64. Missing data
    is 0 in the channels, with the group's mask beside it. Source: Lim et al. 2021, section 4.2.
    """

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.n_groups = len(widths)
        self.embedding = FamilyEmbedding(widths, hidden)
        self.values = GroupedGatedResidual(self.n_groups, hidden)
        self.logits = GatedResidual(self.n_groups * hidden, hidden, self.n_groups)

    def forward(self, channels: Tensor, known: Tensor) -> Candidates:
        """Channels of all groups side by side [L, N, W], masks as floats [L, N, G] -> candidates."""
        embedded = self.embedding(channels, known)
        length, n_stocks, _ = embedded.shape
        by_group = embedded.view(length * n_stocks, self.n_groups, -1).transpose(0, 1)
        values = self.values(by_group).view(self.n_groups, length, n_stocks, -1)
        return Candidates(values, self.logits(embedded))


class VariableSelection(nn.Module):
    """Weighted sum of the groups of all banks: `LayerNorm(sum_g softmax(logits)_g * value_g)`.

    A bank that is left out has weight exactly 0: the others share the whole. The norm comes after the sum instead
    of inside each group's network: the same end, at a G-th of the cost.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)

    def forward(self, banks: Sequence[Candidates]) -> tuple[Tensor, Tensor]:
        """Candidates of one or more banks -> selected [L, N, H] and weights [L, N, S], S = groups of all banks."""
        weights = torch.softmax(torch.cat([bank.logits for bank in banks], dim=-1), dim=-1)
        parts = torch.split(weights, [bank.logits.shape[-1] for bank in banks], dim=-1)
        total = torch.zeros_like(banks[0].values[0])
        for bank, part in zip(banks, parts, strict=True):
            total = total + (bank.values * part.permute(2, 0, 1).unsqueeze(-1)).sum(0)
        return self.norm(total), weights
