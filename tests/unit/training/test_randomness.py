"""Seeds follow from names, and a reproducible stretch leaves no trace."""

from __future__ import annotations

import pytest
import torch

from atft_pipeline.sections import DeviceSettings
from atft_pipeline.training.determinism import reproducible
from atft_pipeline.training.randomness import generator_of, seed_of


def test_seeds_are_fixed_and_differ_by_name() -> None:
    assert seed_of(7, "fold_0") == 5672489697339864907
    assert len({seed_of(7, "fold_0"), seed_of(7, "fold_1"), seed_of(8, "fold_0"), seed_of(7, "fold_0", "days")}) == 4
    assert 0 <= seed_of(7, "fold_0") < 2**63


def test_streams_of_one_name_agree() -> None:
    first, second, other = (torch.randperm(50, generator=generator_of(1, name)).tolist() for name in ("a", "a", "b"))
    assert first == second != other


def test_a_reproducible_stretch_sets_everything_and_puts_it_back() -> None:
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state())
    drawn = []
    for _ in range(2):
        with reproducible(DeviceSettings(threads=1), torch.device("cpu"), 5):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            drawn.append(torch.rand(2))
    assert torch.equal(drawn[0], drawn[1])
    with pytest.raises(ValueError, match="stop"), reproducible(DeviceSettings(threads=1), torch.device("cpu"), 5):
        raise ValueError("stop")
    assert torch.get_num_threads() == before[0]
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
