"""Prices on a grid: splits, halts, and what stands for a missing close."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.errors import ContractError
from atft_pipeline.features.panel import STALE_AFTER, Prices, grid

NAN = float("nan")
DAYS = [date(2021, 3, 1) + timedelta(days=i) for i in range(100)]


def prices_of(close: list[float], factor: dict[int, float] | None = None) -> Prices:
    """One stock, one row per day, given closes and factors by position."""
    rows = pl.DataFrame(
        {
            "Date": DAYS[: len(close)],
            "Code": "13010",
            "C": close,
            "AdjFactor": [(factor or {}).get(i, 1.0) for i in range(len(close))],
        }
    )
    return grid(rows.lazy(), DAYS[: len(close)], ["13010"])


def test_return_over_a_split_is_the_holders() -> None:
    """100 -> 55 with two new shares for one is +10%, not -45%."""
    prices = prices_of([100.0, 55.0, 66.0], {1: 0.5})
    np.testing.assert_allclose(prices.daily_return.ravel(), [NAN, 0.1, 0.2])
    np.testing.assert_allclose(prices.past_return(2).ravel(), [NAN, NAN, 0.32])


def test_return_over_a_halt_uses_every_factor_in_between() -> None:
    """Halted for two sessions, one of them an ex-date: 100 against 30 * 2 and a factor 0.5."""
    prices = prices_of([100.0, NAN, NAN, 60.0], {2: 0.5})
    np.testing.assert_allclose(prices.carried.ravel(), [100, 100, 50, 60])
    np.testing.assert_allclose(prices.daily_return.ravel(), [NAN, NAN, NAN, 0.2])
    np.testing.assert_equal(prices.session_return.ravel(), [NAN] * 4)
    np.testing.assert_allclose(prices.past_return(1).ravel()[-1], 0.2)
    np.testing.assert_allclose(prices.past_return(2).ravel()[-1], 0.2)


@pytest.mark.parametrize(("missed", "known"), [(STALE_AFTER, True), (STALE_AFTER + 1, False)])
def test_a_close_grows_stale(missed: int, known: bool) -> None:
    """After 60 sessions without trade the last close is still a base, after 61 no more."""
    prices = prices_of([100.0] + [NAN] * missed + [110.0])
    assert np.isfinite(prices.daily_return[-1, 0]) == known


def test_absent_rows_columns_and_zero_prices() -> None:
    """An absent row is no trade with factor 1; a price of 0 is no price; an absent column is unknown."""
    rows = pl.DataFrame({"Date": [DAYS[2], DAYS[0]], "Code": ["13010", "13010"], "C": [0.0, 5.0]})
    prices = grid(rows.lazy(), DAYS[:3], ["13010", "13050"])
    np.testing.assert_equal(prices.close, [[5, NAN], [NAN, NAN], [NAN, NAN]])
    assert (prices.factor == 1).all()
    assert np.isnan(prices.volume).all()


def test_two_rows_for_one_day_are_refused() -> None:
    """The later one would win silently."""
    rows = pl.DataFrame({"Date": [DAYS[0]] * 2, "Code": ["13010"] * 2, "C": [1.0, 2.0]})
    with pytest.raises(ContractError, match=r"\(Date, Code\) = \(2021-03-01, 13010\)"):
        grid(rows.lazy(), DAYS[:3], ["13010"])
