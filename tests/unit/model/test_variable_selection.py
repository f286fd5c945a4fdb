"""Variable selection: who is embedded with whom, and how the weights are shared."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from atft_pipeline.model.variable_selection import Candidates, FamilyEmbedding, GroupBank, VariableSelection

WIDTHS, HIDDEN = (3, 1, 2), 4


def test_each_family_is_embedded_by_its_own_layer() -> None:
    layer = FamilyEmbedding(WIDTHS, HIDDEN)
    channels, known = torch.randn(5, 2, 6), torch.rand(5, 2, 3)
    found = layer(channels, known).view(5, 2, 3, HIDDEN)
    start = 0
    for g, width in enumerate(WIDTHS):
        rows = slice(g * HIDDEN, (g + 1) * HIDDEN)
        own = torch.cat([channels[..., start : start + width], known[..., g : g + 1]], dim=-1)
        weight = torch.cat([layer.weight[rows, start : start + width], layer.weight[rows, 6 + g : 7 + g]], dim=1)
        torch.testing.assert_close(found[:, :, g], F.linear(own, weight, layer.bias[rows]))
        start += width


def test_weights_sum_to_one_over_all_banks() -> None:
    first, second, choose = GroupBank(WIDTHS, HIDDEN), GroupBank((2,), HIDDEN), VariableSelection(HIDDEN)
    banks = [first(torch.randn(5, 7, 6), torch.ones(5, 7, 3)), second(torch.randn(5, 7, 2), torch.ones(5, 7, 1))]
    selected, weights = choose(banks)
    assert selected.shape == (5, 7, HIDDEN)
    assert weights.shape == (5, 7, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(5, 7))


def test_selection_is_the_weighted_sum() -> None:
    values = torch.randn(2, 1, 1, HIDDEN)
    choose = VariableSelection(HIDDEN)
    selected, weights = choose([Candidates(values, torch.log(torch.tensor([[[1.0, 3.0]]])))])
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75]]]))
    torch.testing.assert_close(selected[0, 0], choose.norm(0.25 * values[0, 0, 0] + 0.75 * values[1, 0, 0]))


def test_a_family_without_weight_has_no_influence() -> None:
    choose, values = VariableSelection(HIDDEN), torch.randn(2, 3, 4, HIDDEN)
    logits = torch.tensor([0.0, -1e4]).expand(3, 4, 2)
    other = values.clone()
    other[1] = 99.0
    assert torch.equal(choose([Candidates(values, logits)])[0], choose([Candidates(other, logits)])[0])
