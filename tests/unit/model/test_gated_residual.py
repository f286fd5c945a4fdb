"""Gated residual networks against their formula, groups against one network each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from atft_pipeline.model.gated_residual import (
    GatedResidual,
    GatedSkip,
    GroupedGatedResidual,
    GroupedLinear,
    StepDropout,
)


@pytest.mark.parametrize("n_out", [3, 5])
def test_formula(n_out: int) -> None:
    """With the input itself as skip, and with a linear one."""
    net, a = GatedResidual(3, 4, n_out), torch.randn(7, 3)
    weight, bias = net.first.weight, net.first.bias
    eta = F.elu(a @ weight[:4].T + bias[:4])
    value, gate = (eta @ net.gate.linear.weight.T + net.gate.linear.bias).chunk(2, dim=-1)
    skip = a if n_out == 3 else a @ weight[4:].T + bias[4:]
    torch.testing.assert_close(net(a), F.layer_norm(skip + value * torch.sigmoid(gate), (n_out,)))


def test_a_closed_gate_leaves_the_normed_skip() -> None:
    net = GatedSkip(4)
    with torch.no_grad():
        net.gate.linear.bias[4:] = -100.0
    skip = torch.randn(6, 4)
    torch.testing.assert_close(net(torch.randn(6, 4), skip), F.layer_norm(skip, (4,)))


def test_grouped_linear_is_one_layer_per_group() -> None:
    layer = GroupedLinear(3, 4, 2)
    x = torch.randn(3, 5, 4)
    expected = torch.stack([x[g] @ layer.weight[g] + layer.bias[g] for g in range(3)])
    torch.testing.assert_close(layer(x), expected)


def test_groups_do_not_see_each_other() -> None:
    net = GroupedGatedResidual(3, 4)
    x = torch.randn(3, 5, 4)
    changed = x.clone()
    changed[1] += 1.0
    same = (net(x) == net(changed)).flatten(1).all(1)
    assert same.tolist() == [True, False, True]


def test_step_dropout_uses_one_mask_for_all_steps() -> None:
    dropout = StepDropout(0.5)
    torch.manual_seed(0)
    out = dropout(torch.ones(6, 10, 4))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(out, out[:1].expand_as(out))
    x = torch.randn(6, 10, 4)
    assert torch.equal(dropout.eval()(x), x)
