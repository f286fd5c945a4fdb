"""Temporal encoder: masks, order of steps, attention weights."""

from __future__ import annotations

import torch

from atft_pipeline.model.temporal_encoder import LastStepAttention, TemporalEncoder, valid_steps_last

HIDDEN = 8


def encoder() -> TemporalEncoder:
    torch.manual_seed(0)
    return TemporalEncoder(HIDDEN, 2, 0.1).eval()


def test_valid_steps_move_behind_masked_ones_in_order() -> None:
    x = torch.arange(1.0, 11.0).view(5, 2, 1)
    mask = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 1], [1, 1]], dtype=torch.bool)
    moved, valid = valid_steps_last(x, mask)
    assert moved[:, 0, 0].tolist() == [0.0, 0.0, 1.0, 5.0, 9.0]
    assert moved[:, 1, 0].tolist() == [0.0, 4.0, 6.0, 8.0, 10.0]
    assert valid.tolist() == [[False, False], [False, True], [True, True], [True, True], [True, True]]


def test_a_late_listing_equals_a_shorter_window() -> None:
    net, x = encoder(), torch.randn(9, 3, HIDDEN)
    mask = torch.ones(9, 3, dtype=torch.bool)
    mask[:5] = False
    torch.testing.assert_close(net(x, mask), net(x[5:], mask[5:]))


def test_a_halt_equals_the_window_without_it() -> None:
    net, x = encoder(), torch.randn(9, 3, HIDDEN)
    mask = torch.ones(9, 3, dtype=torch.bool)
    mask[[2, 6]] = False
    kept = [0, 1, 3, 4, 5, 7, 8]
    torch.testing.assert_close(net(x, mask), net(x[kept], mask[kept]))


def test_a_stock_without_a_valid_step_has_a_finite_constant_state() -> None:
    net, mask = encoder(), torch.ones(9, 3, dtype=torch.bool)
    mask[:, 1] = False
    x = torch.randn(9, 3, HIDDEN, requires_grad=True)
    state, other = net(x, mask), net(torch.randn(9, 3, HIDDEN), mask)
    assert state.isfinite().all()
    assert torch.equal(state[1], other[1])
    state.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[:, 1].abs().max() == 0.0


def test_attention_equals_its_formula() -> None:
    torch.manual_seed(1)
    attention, states = LastStepAttention(HIDDEN, 2), torch.randn(5, 3, HIDDEN)
    mask = torch.ones(5, 3, dtype=torch.bool)
    mask[:2, 0] = False
    out, weights = attention(states, mask)
    for n in range(3):
        seen = states[mask[:, n], n]
        query = attention.query(states[-1, n]).view(2, 4)
        heads = [torch.softmax((seen @ attention.key[h].T) @ query[h] / 4**0.5, dim=0) for h in range(2)]
        mean = (heads[0] + heads[1]) / 2
        torch.testing.assert_close(weights[mask[:, n], n], mean)
        torch.testing.assert_close(out[n], attention.out(mean @ attention.value(seen)))
    assert weights[:2, 0].abs().max() == 0.0


def test_every_step_reaches_the_state() -> None:
    x = torch.randn(6, 2, HIDDEN, requires_grad=True)
    encoder()(x, torch.ones(6, 2, dtype=torch.bool)).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().amax(-1).min() > 0.0
