"""Temporal encoder: LSTM, gated skip, interpretable attention, position-wise gated residual; the last step's state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from atft_pipeline.model.gated_residual import GatedResidual, GatedSkip, StepDropout


def valid_steps_last(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Each stock's valid steps moved behind its masked ones, in their order; masked steps are 0.

    A halt inside the window would otherwise make the recurrent state run on over empty steps.

    Args:
        x: [L, N, H].
        mask: bool [L, N].

    Returns:
        x and mask in the new order of steps.
    """
    x = x * mask.unsqueeze(-1)
    # The usual case, no halt: masked steps are at the front already, and sorting would change nothing.
    if bool((mask[1:] >= mask[:-1]).all()):
        return x, mask
    length, n_stocks = mask.shape
    order = torch.argsort(mask.to(torch.int8), dim=0, stable=True)
    rows = order * n_stocks + torch.arange(n_stocks, device=mask.device)
    moved = x.reshape(length * n_stocks, -1).index_select(0, rows.flatten()).view_as(x)
    return moved, mask.gather(0, order)


class LastStepAttention(nn.Module):
    """Interpretable multi-head attention with shared values, for the query of the last step.

    `A = mean over heads of softmax(q_h K_h' / sqrt(d))`, `out = W_o (A V)` with one V for all heads, so that A
    itself tells which step was used. Only the last step leaves the encoder and all earlier steps are in its past:
    the causal mask is met by asking for that one row, and V need only be applied to the weighted mean of the
    states. A stock without a valid step attends to nothing and gets 0. Source: Lim et al. 2021, section 4.4.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = hidden // heads
        self.query = nn.Linear(hidden, hidden)
        # Applied to the one query instead of to all L states: q_h (K_h x) = (q_h K_h) x. A bias would cancel.
        self.key = nn.Parameter(torch.empty(heads, self.width, hidden))
        nn.init.xavier_uniform_(self.key)
        self.value = nn.Linear(hidden, self.width, bias=False)
        self.out = nn.Linear(self.width, hidden, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """States [L, N, H] and mask [L, N] -> output [N, H] and the heads' mean weights [L, N]."""
        query = self.query(states[-1]).view(-1, self.heads, self.width)
        sought = torch.einsum("nmd,mdh->nmh", query, self.key)
        logits = torch.einsum("nmh,lnh->lnm", sought, states) / math.sqrt(self.width)
        valid = mask.unsqueeze(-1)
        # A finite fill: with -inf a stock that is masked throughout would turn into NaN.
        weights = torch.softmax(logits.masked_fill(~valid, torch.finfo(logits.dtype).min), dim=0) * valid
        mean_weights = weights.mean(-1)
        seen = torch.einsum("ln,lnh->nh", mean_weights, states)
        return self.out(self.value(seen)), mean_weights


class TemporalEncoder(nn.Module):
    """A window of selected features -> the stock's state at the last step.

    Missing data: the LSTM has no bias and reads the mask as one more channel, so a masked step is a zero input
    that leaves a zero state exactly zero; valid steps come last. A window with n valid steps therefore gives the
    same state as a window of length n. A stock without valid steps gets a constant, finite state.
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.steps = StepDropout(dropout)
        self.lstm = nn.LSTM(hidden + 1, hidden, bias=False)
        self.after_lstm = GatedSkip(hidden)
        self.attention = LastStepAttention(hidden, heads)
        self.after_attention = GatedSkip(hidden)
        self.position_wise = GatedResidual(hidden, hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.last = GatedSkip(hidden)

    def forward(self, selected: Tensor, mask: Tensor) -> Tensor:
        """Selected features [L, N, H], mask [L, N] -> state [N, H]."""
        inputs, valid = valid_steps_last(self.steps(selected), mask)
        recurrent, _ = self.lstm(torch.cat([inputs, valid.unsqueeze(-1).to(inputs.dtype)], dim=-1))
        states = self.after_lstm(self.steps(recurrent), inputs)
        attended, _ = self.attention(states, valid)
        enriched = self.after_attention(self.dropout(attended), states[-1])
        state: Tensor = self.last(self.dropout(self.position_wise(enriched)), states[-1])
        return state
