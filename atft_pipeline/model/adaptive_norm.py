"""Adaptive normalizations of the return-like channels: slow part and fast part of a window, and the path ahead.

Each kind splits x [L, N, R] into a `main` part, [L, N, main_width], and a `residual`, [L, N, R]; both become
channel groups BESIDE the features. Taking the main part out of the input altogether would remove 84 to 90% of a
random walk's variance (L = 60, K = 4), and momentum with it.

Missing data: a masked step takes the mean of the stock's valid steps, which adds to no frequency but 0 and to no
slice's deviation from the mean; both parts are 0 at masked steps. As-of: everything is computed inside the window.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atft_pipeline.errors import ModelError
from atft_pipeline.model.fan import frequency_split
from atft_pipeline.sections import FanSettings

EPSILON = 1e-5


class Parts(NamedTuple):
    """Main part [L, N, M] and residual [L, N, R] of a window."""

    main: Tensor
    residual: Tensor


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid steps: x [L, N, R], mask [L, N] -> [1, N, R]; 0 where no step is valid."""
    valid = mask.unsqueeze(-1).to(x.dtype)
    return (x * valid).sum(0, keepdim=True) / valid.sum(0, keepdim=True).clamp_min(1.0)


def masked_moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (ddof 0, floored at sqrt(1e-5)) over the valid steps, each [1, N, R]."""
    mean = masked_mean(x, mask)
    return mean, (masked_mean((x - mean).square(), mask) + EPSILON).sqrt()


class AdaptiveNorm(nn.Module):
    """The seat of an adaptive norm: `forward(x [L, N, R], mask [L, N]) -> Parts`."""

    def __init__(self, n_channels: int, main_width: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.main_width = main_width

    def split(self, x: Tensor, mask: Tensor) -> Parts:
        """Main part and residual of x, which holds the mean at masked steps."""
        raise NotImplementedError

    def forward(self, x: Tensor, mask: Tensor) -> Parts:
        """Split a window; both parts are 0 at masked steps."""
        valid = mask.unsqueeze(-1)
        filled = torch.where(valid, x, masked_mean(x, mask))
        main, residual = self.split(filled, mask)
        return Parts(main * valid, residual * valid)


class FrequencyNorm(AdaptiveNorm):
    """FAN: the K strongest frequencies against the rest; `main + residual = x`. Ye et al., NeurIPS 2024."""

    def __init__(self, n_channels: int, k: int) -> None:
        super().__init__(n_channels, main_width=n_channels)
        self.k = k

    def split(self, x: Tensor, mask: Tensor) -> Parts:
        """`main = irfft(top K bins of rfft(x))`, `residual = x - main`."""
        main = frequency_split(x, self.k)
        return Parts(main, x - main)


def slice_bounds(length: int, slices: int) -> tuple[tuple[int, int], ...]:
    """Half-open bounds of `slices` slices that tile [0, length) without gap or overlap, the last step included.

    >>> slice_bounds(10, 3)
    ((0, 3), (3, 6), (6, 10))
    """
    if slices > length:
        raise ModelError(f"model.fan.slices = {slices} exceeds the window of {length}.", remedy="Use fewer slices.")
    edges = [length * place // slices for place in range(slices + 1)]
    return tuple(itertools.pairwise(edges))


class SliceNorm(AdaptiveNorm):
    """SAN: per slice, mean and deviation as main part, the z-score as residual. Liu et al., NeurIPS 2023."""

    def __init__(self, n_channels: int, length: int, slices: int) -> None:
        super().__init__(n_channels, main_width=2 * n_channels)
        self.bounds = slice_bounds(length, slices)

    def split(self, x: Tensor, mask: Tensor) -> Parts:
        """`residual = (x - mean_slice) / std_slice`; main holds both statistics at every step of the slice."""
        main, residual = [], []
        for start, stop in self.bounds:
            piece = x[start:stop]
            mean, std = masked_moments(piece, mask[start:stop])
            main.append(torch.cat([mean, std], dim=-1).expand(stop - start, -1, -1))
            residual.append((piece - mean) / std)
        return Parts(torch.cat(main), torch.cat(residual))


class ReversibleNorm(SliceNorm):
    """RevIN: one slice that is the whole window. Kim et al., ICLR 2022."""

    def __init__(self, n_channels: int, length: int) -> None:
        super().__init__(n_channels, length, slices=1)


class PathPredictor(nn.Module):
    """Forecast of the main part ahead, as the normalized one-day targets of the next P sessions.

    `h = ReLU(W_1 main)` (64), `path = W_3 ReLU(W_2 [h, x])` (128 -> P); windows are flattened over steps and
    channels, so unlike the pooled state it sees at which lag something happened.
    """

    def __init__(self, length: int, n_channels: int, main_width: int, n_path: int) -> None:
        super().__init__()
        self.main = nn.Linear(length * main_width, 64)
        self.joint = nn.Linear(64 + length * n_channels, 128)
        self.path = nn.Linear(128, n_path)

    def forward(self, main: Tensor, x: Tensor) -> Tensor:
        """Main part [L, N, M] and channels [L, N, R], both 0 at masked steps -> [N, P]."""
        n_stocks = x.shape[1]
        slow = torch.relu(self.main(main.transpose(0, 1).reshape(n_stocks, -1)))
        both = torch.cat([slow, x.transpose(0, 1).reshape(n_stocks, -1)], dim=-1)
        path: Tensor = self.path(torch.relu(self.joint(both)))
        return path


def build_adaptive_norm(settings: FanSettings, n_channels: int, length: int) -> AdaptiveNorm | None:
    """The norm that `model.fan.kind` names; None for "none".

    Raises:
        ModelError: unknown kind, or no return-like column for it.
    """
    if settings.kind == "none":
        return None
    if n_channels == 0:
        raise ModelError(
            f"model.fan.kind = {settings.kind!r}, but the contract's families hold no return-like column.",
            remedy="Add the family that holds daily returns (technical), or set model.fan.kind = 'none'.",
        )
    if settings.kind == "fan":
        return FrequencyNorm(n_channels, settings.k)
    if settings.kind == "san":
        return SliceNorm(n_channels, length, settings.slices)
    if settings.kind == "revin":
        return ReversibleNorm(n_channels, length)
    raise ModelError(f"model.fan.kind = {settings.kind!r} is unknown.", remedy="Use fan, san, revin or none.")
