"""Portfolios by hand: three stocks, costs against drifted weights, deciles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.portfolio import decile_returns, long_short_weights, tranche_returns

NAN = math.nan


def test_weights_of_three_stocks() -> None:
    weights = long_short_weights(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]]), 0.34)
    assert weights.tolist() == [[1.0, -1.0, 0.0], [-1.0, 0.0, 1.0]]


def test_ties_are_broken_by_column_and_constant_days_hold_nothing() -> None:
    weights = long_short_weights(np.array([[5.0, 1.0, 1.0], [2.0, 2.0, 2.0], [NAN, NAN, NAN]]), 0.34)
    assert weights.tolist() == [[1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_sides_are_shares_of_the_scored_stocks() -> None:
    score = np.arange(40.0)[None].copy()
    score[0, 20:] = NAN
    weights = long_short_weights(score, 0.1)[0]
    assert np.flatnonzero(weights > 0).tolist() == [18, 19]
    assert np.flatnonzero(weights < 0).tolist() == [0, 1]
    assert weights[weights > 0].sum() == pytest.approx(1.0)


def test_costs_by_hand() -> None:
    """Three stocks, one-day returns, 10 bp.

    Day 0: +1, -1, 0 bought from cash, sum |dw| = 2. Returns .10, .05, 0: gross .05; weights drift to 1.1 / 1.05
    and -1.05 / 1.05. Day 1: 0, -1, +1 is wanted: |0 - 1.1 / 1.05| + |-1 + 1| + |1 - 0|.
    """
    weights = np.array([[1.0, -1.0, 0.0], [0.0, -1.0, 1.0]])
    returns = np.array([[0.10, 0.05, 0.0], [0.0, -0.02, 0.01]])
    book = tranche_returns(weights, returns, horizon=1, cost_bps=10.0)
    traded = [2.0, 1.1 / 1.05 + 1.0]
    assert book.gross == pytest.approx([0.05, 0.03])
    assert book.turnover == pytest.approx([0.5 * t for t in traded])
    assert book.net == pytest.approx([0.05 - 0.001 * traded[0], 0.03 - 0.001 * traded[1]])


def test_a_tranche_is_traded_against_the_one_formed_h_sessions_before() -> None:
    """The same weights at t and t + 2, no returns: nothing to trade; the first two tranches are bought from cash."""
    weights = np.array([[1.0, -1.0], [-1.0, 1.0]] * 2)
    book = tranche_returns(weights, np.zeros((4, 2)), horizon=2, cost_bps=10.0)
    assert book.turnover.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_position_without_a_return_stays_in_cash() -> None:
    book = tranche_returns(np.array([[0.5, 0.5, -1.0]]), np.array([[0.10, NAN, 0.0]]), horizon=1, cost_bps=10.0)
    assert book.gross == pytest.approx([0.05])
    assert book.turnover == pytest.approx([0.75])


def test_days_without_a_portfolio_are_unknown() -> None:
    book = tranche_returns(np.zeros((1, 3)), np.ones((1, 3)), horizon=5, cost_bps=10.0)
    assert np.isnan(book.gross).all()
    assert np.isnan(book.net).all()


def test_perfect_forecast_earns_and_its_negation_loses_the_same() -> None:
    returns = np.random.default_rng(1).standard_normal((5, 50))
    good, bad = (
        tranche_returns(long_short_weights(sign * returns, 0.1), returns, 1, 0.0).gross for sign in (1.0, -1.0)
    )
    assert (good > 0).all()
    assert good == pytest.approx(-bad)


def test_deciles_of_twenty_stocks() -> None:
    score = np.arange(20.0)[None]
    returns = np.arange(20.0)[None].copy()
    returns[0, 19] = NAN
    assert decile_returns(score, returns)[0].tolist() == [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5, 16.5, 18.0]


def test_a_day_of_fewer_stocks_than_groups_has_empty_groups() -> None:
    means = decile_returns(np.array([[1.0, 2.0]]), np.array([[0.1, 0.2]]))
    assert np.isfinite(means).sum() == 2


def test_share_out_of_range_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"share = 0\.6"):
        long_short_weights(np.zeros((1, 3)), 0.6)
