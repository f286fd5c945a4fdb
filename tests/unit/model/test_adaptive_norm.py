"""Adaptive norms: what is split off, that it comes before any averaging over time, and that masks are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from atft_pipeline.errors import ModelError
from atft_pipeline.model.adaptive_norm import (
    AdaptiveNorm,
    FrequencyNorm,
    PathPredictor,
    ReversibleNorm,
    SliceNorm,
    build_adaptive_norm,
    slice_bounds,
)
from atft_pipeline.model.fan import frequency_split
from atft_pipeline.sections import FanSettings

LENGTH = 12
NORMS = [FrequencyNorm(2, 3), SliceNorm(2, LENGTH, 5), ReversibleNorm(2, LENGTH)]


def full(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_a_sum_of_waves_is_split_into_its_strongest() -> None:
    t = torch.arange(LENGTH) * 2 * torch.pi / LENGTH
    strong, weak = 3.0 * torch.cos(2 * t) + 2.0, 0.5 * torch.sin(4 * t)
    main = frequency_split((strong + weak).view(-1, 1, 1), k=2).flatten()
    torch.testing.assert_close(main, strong, atol=1e-5, rtol=0)


def test_main_part_equals_numpy() -> None:
    x = torch.randn(LENGTH, 3, 2, generator=torch.Generator().manual_seed(3))
    found = frequency_split(x, 3).numpy()
    for n in range(3):
        for r in range(2):
            spectrum = np.fft.rfft(x[:, n, r].numpy())
            spectrum[np.argsort(np.abs(spectrum))[:-3]] = 0.0
            np.testing.assert_allclose(found[:, n, r], np.fft.irfft(spectrum, n=LENGTH), atol=1e-5)


def test_extreme_numbers_of_frequencies() -> None:
    x = torch.randn(LENGTH, 4, 2)
    assert torch.equal(frequency_split(x, 0), torch.zeros_like(x))
    torch.testing.assert_close(frequency_split(x, 16), x, atol=1e-5, rtol=0)
    # Around a high level, frequency 0 is the strongest: the main part is the mean.
    high = frequency_split(x + 100.0, 1)
    torch.testing.assert_close(high, (x + 100.0).mean(0, keepdim=True).expand_as(x))


def test_fan_parts_add_up_to_the_input() -> None:
    x = torch.randn(LENGTH, 5, 2)
    main, residual = FrequencyNorm(2, 3)(x, full(x))
    torch.testing.assert_close(main + residual, x)


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_the_norm_has_an_effect_at_the_last_step(norm: AdaptiveNorm) -> None:
    """Not an identity map, not zero, and it varies over time."""
    x = torch.randn(LENGTH, 6, 2)
    main, residual = norm(x, full(x))
    assert main.shape[-1] == norm.main_width
    assert (residual[-1] - x[-1]).abs().mean() > 0.1
    assert residual.std(0).min() > 1e-2
    assert main[-1].abs().mean() > 0.1


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_masked_steps_are_zero_and_not_read(norm: AdaptiveNorm) -> None:
    x = torch.randn(LENGTH, 6, 2)
    mask = torch.rand(LENGTH, 6) > 0.3
    mask[:, 0] = False
    hidden = torch.where(mask.unsqueeze(-1), x, 1e6)
    for part, other in zip(norm(x, mask), norm(hidden, mask), strict=True):
        assert torch.equal(part, other)
        assert part[~mask].abs().max() == 0.0
        assert part.isfinite().all()


def test_slices_are_standardized_and_include_the_last_step() -> None:
    assert slice_bounds(10, 3) == ((0, 3), (3, 6), (6, 10))
    x = torch.randn(LENGTH, 6, 2)
    _, residual = SliceNorm(2, LENGTH, 3)(x, full(x))
    for start in (0, 4, 8):
        piece = residual[start : start + 4]
        torch.testing.assert_close(piece.mean(0), torch.zeros(6, 2), atol=1e-5, rtol=0)
        torch.testing.assert_close(piece.std(0, correction=0), torch.ones(6, 2), atol=1e-3, rtol=0)


def test_more_slices_than_steps_are_refused() -> None:
    with pytest.raises(ModelError, match=r"slices = 9 exceeds the window of 8"):
        slice_bounds(8, 9)


def test_the_path_sees_order_in_time() -> None:
    predictor = PathPredictor(LENGTH, 2, 2, 7)
    x = torch.randn(LENGTH, 5, 2)
    assert predictor(x, x).shape == (5, 7)
    assert not torch.allclose(predictor(x, x), predictor(x.flip(0), x.flip(0)))


def test_the_kind_decides_and_unknown_kinds_are_refused() -> None:
    kinds = {"fan": FrequencyNorm, "san": SliceNorm, "revin": ReversibleNorm}
    for kind, expected in kinds.items():
        assert type(build_adaptive_norm(FanSettings.model_validate({"kind": kind}), 2, LENGTH)) is expected
    assert build_adaptive_norm(FanSettings(kind="none"), 0, LENGTH) is None
    with pytest.raises(ModelError, match="'dish' is unknown"):
        build_adaptive_norm(FanSettings().model_copy(update={"kind": "dish"}), 2, LENGTH)
    with pytest.raises(ModelError, match="no return-like column"):
        build_adaptive_norm(FanSettings(kind="fan"), 0, LENGTH)
