"""Heads: quantiles in order, starts as set, options honoured."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from atft_pipeline.errors import ModelError
from atft_pipeline.model.heads import ApexHead, MultiHorizonHead, build_head
from atft_pipeline.sections import HeadSettings


def head(**changes: object) -> ApexHead | MultiHorizonHead:
    torch.manual_seed(0)
    return build_head(HeadSettings.model_validate(changes), 16, 4, 0.1).eval()


def test_quantiles_ascend_whatever_the_weights() -> None:
    net = head()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=10.0)
    scores, quantiles = net(10.0 * torch.randn(50, 16))
    assert scores.shape == (50, 4)
    assert quantiles is not None
    assert quantiles.shape == (50, 4, 5)
    assert (quantiles.diff(dim=-1) >= 0.0).all()


def test_quantiles_start_as_those_of_a_standard_normal() -> None:
    _, quantiles = head(init_std=1e-9)(torch.randn(1, 16))
    assert quantiles is not None
    expected = [NormalDist().inv_cdf(level) for level in (0.05, 0.25, 0.5, 0.75, 0.95)]
    assert quantiles[0, 2].tolist() == pytest.approx(expected, abs=1e-5)


def test_apex_is_one_linear_layer_per_horizon() -> None:
    net, state = head(kind="apex", layer_scale=2.0), torch.randn(3, 16)
    scores, quantiles = net(state)
    assert quantiles is None
    torch.testing.assert_close(scores, 2.0 * state @ net.point.weight.T + net.point.bias)


def test_the_start_is_as_set() -> None:
    wide = build_head(HeadSettings(init_std=0.2, layer_scale=0.5, layer_norm=True), 512, 4, 0.0)
    assert wide.point.weight.std().item() == pytest.approx(0.2, rel=0.1)
    assert wide.point.bias.abs().max() == 0.0
    assert torch.equal(wide.scaled.scale, torch.full((512,), 0.5))
    state = torch.randn(3, 512)
    torch.testing.assert_close(wide(5.0 * state)[0], wide(state)[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("levels", [(), (0.5, 0.25), (0.5, 0.5)])
def test_levels_that_do_not_ascend_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="quantiles"):
        head(quantiles=levels)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(ModelError, match="'isolation' is unknown"):
        build_head(HeadSettings().model_copy(update={"kind": "isolation"}), 16, 4, 0.1)
