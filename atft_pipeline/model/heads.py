"""Heads: from a stock's state to one score per horizon, and quantiles."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atft_pipeline.errors import ModelError
from atft_pipeline.sections import HeadSettings


class Scaled(nn.Module):
    """Optional LayerNorm over H, then LayerScale: one learnable factor per hidden unit."""

    def __init__(self, hidden: int, settings: HeadSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden) if settings.layer_norm else nn.Identity()
        self.scale = nn.Parameter(torch.full((hidden,), settings.layer_scale))

    def forward(self, state: Tensor) -> Tensor:
        """[N, H] -> [N, H]."""
        scaled: Tensor = self.norm(state) * self.scale
        return scaled


def output_layer(n_in: int, n_out: int, std: float) -> nn.Linear:
    """Linear layer with normal weights of the given deviation and zero bias: scores start small, not at 0."""
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer


class ApexHead(nn.Module):
    """One linear layer per horizon on the state itself; no quantiles."""

    levels: tuple[float, ...] = ()

    def __init__(self, hidden: int, n_horizons: int, settings: HeadSettings) -> None:
        super().__init__()
        self.scaled = Scaled(hidden, settings)
        self.point = output_layer(hidden, n_horizons, settings.init_std)

    def forward(self, state: Tensor) -> tuple[Tensor, None]:
        """[N, H] -> scores [N, K]."""
        return self.point(self.scaled(state)), None


class MultiHorizonHead(nn.Module):
    """A shared trunk `t = s + Dropout(ELU(W s))`, then a point and Q quantiles per horizon.

    `q_1 = u_1`, `q_j = q_{j-1} + softplus(u_j)`: ascending by construction, so they cannot cross. They start as
    the quantiles of a standard normal, which the normalized target resembles.
    """

    def __init__(self, hidden: int, n_horizons: int, dropout: float, settings: HeadSettings) -> None:
        super().__init__()
        self.levels = settings.quantiles
        self.scaled = Scaled(hidden, settings)
        self.trunk = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.point = output_layer(hidden, n_horizons, settings.init_std)
        self.steps = output_layer(hidden, n_horizons * len(self.levels), settings.init_std)
        with torch.no_grad():
            self.steps.bias.copy_(self._normal_steps(self.levels).repeat(n_horizons))

    @staticmethod
    def _normal_steps(levels: Sequence[float]) -> Tensor:
        quantiles = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
        gaps = quantiles.diff()
        return torch.cat([quantiles[:1], torch.log(torch.expm1(gaps))]).float()

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """[N, H] -> scores [N, K] and quantiles [N, K, Q]."""
        scaled = self.scaled(state)
        trunk = scaled + self.dropout(F.elu(self.trunk(scaled)))
        first, *rises = self.steps(trunk).view(len(state), -1, len(self.levels)).unbind(-1)
        # A plain running sum: a cumulative sum in floats has no deterministic kernel on CUDA.
        quantiles = itertools.accumulate((F.softplus(rise) for rise in rises), initial=first)
        return self.point(trunk), torch.stack(list(quantiles), dim=-1)


def build_head(settings: HeadSettings, hidden: int, n_horizons: int, dropout: float) -> ApexHead | MultiHorizonHead:
    """The head that `model.head.kind` names.

    Raises:
        ModelError: unknown kind, or quantile levels that do not ascend.
    """
    if settings.kind == "apex":
        return ApexHead(hidden, n_horizons, settings)
    if settings.kind != "multi_horizon":
        raise ModelError(f"model.head.kind = {settings.kind!r} is unknown.", remedy="Use multi_horizon or apex.")
    if not settings.quantiles or list(settings.quantiles) != sorted(set(settings.quantiles)):
        raise ModelError(
            f"model.head.quantiles = {settings.quantiles} must be given and ascend without repetition.",
            remedy="List the levels in ascending order, or set model.head.kind = 'apex'.",
        )
    return MultiHorizonHead(hidden, n_horizons, dropout, settings)
