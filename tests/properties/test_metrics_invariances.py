"""What must not change a metric: order of stocks, monotone scores, units, rows of other days."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from atft_pipeline.evaluation.metrics import (
    information_coefficient,
    population_stability_index,
    rank_ic,
    ranks,
    residual_rank_ic,
    scale,
    sharpe_ratio,
)
from atft_pipeline.evaluation.portfolio import long_short_weights, tranche_returns

Array = NDArray[np.float64]
GRID = st.integers(-20, 20).map(lambda n: n / 4)
"""Few values, so that ties are frequent and sums exact."""


def day(n: int = 25) -> st.SearchStrategy[Array]:
    return arrays(np.float64, n, elements=GRID)


@given(values=day())
def test_ranks_equal_scipy(values: Array) -> None:
    assert np.array_equal(ranks(values), stats.rankdata(values))


@given(score=day(), target=day(), order=st.permutations(range(25)))
def test_order_of_stocks_changes_nothing(score: Array, target: Array, order: list[int]) -> None:
    volatility = np.abs(score) + np.arange(25)
    for metric in (rank_ic, information_coefficient, scale):
        expected = metric(score, target)
        np.testing.assert_allclose(metric(score[order], target[order]), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        residual_rank_ic(score[order], target[order], volatility[order], 3),
        residual_rank_ic(score, target, volatility, 3),
        rtol=1e-9,
        atol=1e-12,
    )


@given(score=day(), target=day())
def test_rank_ic_sees_order_only(score: Array, target: Array) -> None:
    np.testing.assert_array_equal(rank_ic(np.exp(score), target), rank_ic(score, target))
    np.testing.assert_allclose(rank_ic(-score, target), -rank_ic(score, target), atol=1e-12)


@given(score=day(), target=day(), factor=st.sampled_from([0.5, 2.0, 1024.0]))
def test_units_of_the_target_change_no_correlation_and_no_scale(score: Array, target: Array, factor: float) -> None:
    for metric in (information_coefficient, rank_ic, scale):
        np.testing.assert_allclose(metric(score, factor * target), metric(score, target), rtol=1e-9, atol=1e-12)


@given(score=day(), target=day(), missing=arrays(np.bool_, 25))
def test_a_missing_stock_is_the_same_as_an_absent_one(score: Array, target: Array, missing: NDArray[np.bool_]) -> None:
    with_gaps = np.where(missing, np.nan, score)
    kept = ~missing
    if not kept.any():
        assert np.isnan(rank_ic(with_gaps, target))
        return
    for metric in (information_coefficient, rank_ic, scale):
        np.testing.assert_allclose(metric(with_gaps, target), metric(score[kept], target[kept]), rtol=1e-9, atol=1e-12)


@given(values=arrays(np.float64, (4, 12), elements=GRID), target=arrays(np.float64, (4, 12), elements=GRID))
def test_days_do_not_touch_each_other(values: Array, target: Array) -> None:
    together = rank_ic(values, target)
    np.testing.assert_array_equal(together, [rank_ic(s, y) for s, y in zip(values, target, strict=True)])


@given(returns=day(60), factor=st.sampled_from([0.25, 2.0, 8.0]))
def test_leverage_does_not_change_a_sharpe_ratio(returns: Array, factor: float) -> None:
    np.testing.assert_allclose(sharpe_ratio(factor * returns, 5), sharpe_ratio(returns, 5), rtol=1e-9)


@given(
    score=arrays(np.float64, (6, 20), elements=GRID),
    returns=arrays(np.float64, (6, 20), elements=st.floats(-0.2, 0.2)),
    share=st.sampled_from([0.05, 0.1, 0.3, 0.5]),
    horizon=st.integers(1, 4),
)
def test_books_are_neutral_and_costs_never_help(score: Array, returns: Array, share: float, horizon: int) -> None:
    weights = long_short_weights(score, share)
    held = (weights != 0).any(axis=1)
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.abs(weights).sum(axis=1), np.where(held, 2.0, 0.0), atol=1e-12)
    free, costly = (tranche_returns(weights, returns, horizon, bps) for bps in (0.0, 10.0))
    np.testing.assert_array_equal(free.gross, free.net)
    np.testing.assert_allclose(free.net - costly.net, 2 * 10e-4 * costly.turnover, atol=1e-12)
    assert (costly.turnover[held] >= 0).all()


@given(reference=day(60), sample=day(40), shift=st.sampled_from([-8.0, 0.5, 64.0]))
def test_stability_index_is_not_negative_and_has_no_units(reference: Array, sample: Array, shift: float) -> None:
    found = population_stability_index(reference, sample)
    assert found >= 0.0
    np.testing.assert_allclose(
        population_stability_index(2 * reference + shift, 2 * sample + shift), found, rtol=1e-9, atol=1e-12
    )
