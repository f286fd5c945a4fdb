"""The adaptive norm's place in the network: two channel groups, a path ahead, and the path's share of the scores."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atft_pipeline.errors import ModelError
from atft_pipeline.model.adaptive_norm import AdaptiveNorm, PathPredictor
from atft_pipeline.model.layout import InputLayout
from atft_pipeline.model.variable_selection import Candidates, GroupBank
from atft_pipeline.sections import ModelSettings

NORM_GROUPS = ("adaptive_norm_main", "adaptive_norm_residual")


class NormOutput(NamedTuple):
    """Candidates for the variable selection, path [N, P], and what the path adds to the scores [N, K]."""

    candidates: Candidates
    path: Tensor
    scores: Tensor


class AdaptiveNormBranch(nn.Module):
    """Everything that hangs on the adaptive norm, so that a phase can leave it out as a whole.

    The score of horizon h gains `w_h * sum_{k <= h} p_k / sqrt(h)`, p the path, w_h learnable from 0.1: a sum of
    h normalized one-day targets has the deviation sqrt(h) if days are independent.

    Raises:
        ModelError: the path is shorter than the longest horizon.
    """

    def __init__(
        self, norm: AdaptiveNorm, settings: ModelSettings, layout: InputLayout, horizons: tuple[int, ...]
    ) -> None:
        super().__init__()
        n_channels, n_path = len(layout.return_like), settings.fan.path
        if n_path < max(horizons):
            raise ModelError(
                f"model.fan.path = {n_path} sessions is shorter than the longest horizon {max(horizons)}.",
                remedy=f"Set model.fan.path to at least {max(horizons)}.",
            )
        self.norm = norm
        self.bank = GroupBank((norm.main_width, n_channels), settings.hidden)
        self.predictor = PathPredictor(settings.window, n_channels, norm.main_width, n_path)
        self.path_weights = nn.Parameter(torch.full((len(horizons),), 0.1))
        self.register_buffer("channels", torch.tensor(layout.return_like), persistent=False)
        # Column h turns a path into sum_{k <= h} p_k / sqrt(h).
        sums = torch.stack([(torch.arange(n_path) < h) / math.sqrt(h) for h in horizons], dim=1)
        self.register_buffer("sums", sums, persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> NormOutput:
        """Features [L, N, F] that are 0 at masked steps, mask [L, N]."""
        channels = x.index_select(-1, self.get_buffer("channels"))
        main, residual = self.norm(channels, mask)
        path = self.predictor(main, channels)
        candidates = self.bank(torch.cat([main, residual], dim=-1), mask.unsqueeze(-1).expand(-1, -1, 2).to(x.dtype))
        return NormOutput(candidates, path, self.path_weights * (path @ self.get_buffer("sums")))
