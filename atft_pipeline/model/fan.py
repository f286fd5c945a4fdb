"""The frequency filter of FAN: the strongest bins of a window's spectrum."""

from __future__ import annotations

import torch
from torch import Tensor


def frequency_split(x: Tensor, k: int) -> Tensor:
    """Main part of a window: the inverse transform of its k frequencies of largest magnitude, DC included.

    `main = irfft(rfft(x) * [bin is among the k largest], n=L)` over time, per stock and channel. k = 0 gives 0,
    k >= L // 2 + 1 gives x. Which bins win is a choice without gradient; the kept bins pass theirs on.

    Args:
        x: [L, N, R] without missing values.
        k: number of bins.

    Returns:
        [L, N, R].

    Source: Ye et al., Frequency Adaptive Normalization, NeurIPS 2024, eq. 1-3.
    """
    spectrum = torch.fft.rfft(x, dim=0)
    strongest = spectrum.detach().abs().topk(min(k, spectrum.shape[0]), dim=0).indices
    kept = torch.zeros(spectrum.shape, dtype=x.dtype, device=x.device).scatter(0, strongest, 1.0)
    main: Tensor = torch.fft.irfft(spectrum * kept, n=x.shape[0], dim=0)
    return main
