"""What can be reached on the simulated market: in the band, ordered, and true."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.jquants.attainable import (
    attainable_rank_ic,
    expected_from_peers,
    expected_own,
    forward_returns,
    mean_rank_ic,
)
from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from atft_pipeline.settings import load_settings

from .markets import DEMO, SMALL


def test_the_demo_lies_in_the_band() -> None:
    found = attainable_rank_ic(load_settings("demo", environ={}))
    assert found["horizon"].to_list() == [1, 5, 10, 20]
    assert (found["with_peers"] > found["without_peers"]).all()
    five = found.filter(horizon=5).row(0, named=True)
    assert 0.33 <= five["with_peers"] <= 0.38
    assert 0.22 <= five["without_peers"] <= 0.27


@pytest.mark.parametrize("effect", ["linear_effect", "reversal_effect", "peer_effect"])
def test_zero_switches_an_effect_off(effect: str) -> None:
    off = {"linear_effect": 0.0, "reversal_effect": 0.0, "peer_effect": 0.0}
    none = SimulatedMarket(SMALL.model_copy(update=off))
    assert not none.latent.drift.any()
    assert not expected_own(none, 5).any()
    assert not expected_from_peers(none, 5).any()
    alone = SimulatedMarket(SMALL.model_copy(update=off | {effect: 1.0}))
    assert alone.latent.drift.any()
    assert expected_from_peers(alone, 5).any() == (effect == "peer_effect")
    assert expected_own(alone, 5).any() == (effect != "peer_effect")
    assert 0.0 not in np.std(alone.latent.drift[1:], axis=1)


def test_the_expectation_is_unbiased() -> None:
    """The regression of the return on its expectation has slope 1, for each part alone, within three errors."""
    market = simulated_market(DEMO)
    realized = np.log1p(forward_returns(market, 5))
    parts = [expected_own(market, 5), expected_from_peers(market, 5)]
    days = range(0, len(realized) - 5, 5)  # apart, so that days are independent
    slopes = np.array([_slopes([part[day] for part in parts], realized[day]) for day in days])
    mean, error = slopes.mean(axis=0), slopes.std(axis=0) / np.sqrt(len(slopes))
    assert (np.abs(mean - 1.0) < 3.0 * error).all(), (mean, error)
    assert (mean > 8.0 * error).all()  # and 0 is far away


def _slopes(parts: list[np.ndarray], realized: np.ndarray) -> np.ndarray:
    valid = ~np.isnan(realized)
    x = np.column_stack([np.ones(valid.sum()), *(part[valid] for part in parts)])
    return np.asarray(np.linalg.lstsq(x, realized[valid], rcond=None)[0][1:])


def test_the_expectation_knows_nothing_of_the_future() -> None:
    """The market's last half is drawn anew: expectations of the first half stay as they are."""
    market, changed = SimulatedMarket(SMALL), SimulatedMarket(SMALL)
    later = 80 + 80
    for values in (changed.latent.own, changed.latent.residual):
        values[later:] = 0.0
    for day, same in ((later - 80 - 1, True), (later - 80 + 1, False)):
        for expected in (expected_own, expected_from_peers):
            assert np.array_equal(expected(market, 5)[day], expected(changed, 5)[day]) == same


def test_forward_returns_undo_splits() -> None:
    market = simulated_market(DEMO)
    day, name = (int(axis[0]) for axis in np.nonzero(market.tape.factor == 0.5))
    tape = market.tape
    by_hand = tape.close[day + 2, name] / (tape.open[day - 1, name] * 0.5) - 1.0
    assert forward_returns(market, 4)[day - 2, name] == pytest.approx(by_hand)


def test_the_rank_correlation_of_a_day() -> None:
    score = np.arange(10.0)[None, :]
    assert mean_rank_ic(score, np.exp(score)) == pytest.approx(1.0)
    assert mean_rank_ic(score, -score) == pytest.approx(-1.0)
    assert mean_rank_ic(np.zeros((1, 10)), score) == 0.0
