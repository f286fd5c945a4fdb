"""The exchange's table of daily price limits, and the prices that are at one."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features.panel import grid
from atft_pipeline.features.price_limits import BASE_BELOW, WIDTH, lower_limit_hit, price_limit, upper_limit_hit


@pytest.mark.parametrize(
    ("base", "width"),
    [
        (1, 30),
        (99.9, 30),
        (100, 50),
        (200, 80),
        (499, 80),
        (500, 100),
        (700, 150),
        (999, 150),
        (1000, 300),
        (1500, 400),
        (2000, 500),
        (3000, 700),
        (5000, 1000),
        (7000, 1500),
        (10_000, 3000),
        (19_170, 4000),  # JPX notice of 2023-02-14: base 19,170, limit 4,000
        (7870, 1500),  # JPX notice of 2025-02-28
        (70_000, 15_000),
        (300_000, 70_000),
        (1_000_000, 300_000),
        (29_999_999, 5_000_000),
        (49_999_999, 7_000_000),
        (50_000_000, 10_000_000),
    ],
)
def test_steps_of_the_table(base: float, width: float) -> None:
    """Lower ends belong to the step above."""
    assert price_limit(np.array([base]))[0] == pytest.approx(width)


def test_table_ascends_and_unknown_stays_unknown() -> None:
    """34 steps; NaN for NaN."""
    assert len(WIDTH) == len(BASE_BELOW) + 1 == 34
    assert (np.diff(BASE_BELOW) > 0).all()
    assert (np.diff(WIDTH) > 0).all()
    assert np.isnan(price_limit(np.array([np.nan]))[0])


@pytest.mark.parametrize(
    ("base", "factor", "low", "at_limit"),
    [
        (950.0, 1.0, 800.0, 1),
        (950.0, 1.0, 800.1, 0),
        (999.8, 1.0, 849.8, 1),  # 999.8 - 849.8 is 150.0
        (3000.0, 0.333333, 700.0, 1),  # a third of 3,000 is 1,000 with its limit of 300, not 999.999 with 150
        (3000.0, 0.333333, 700.1, 0),
    ],
)
def test_a_limit_lies_on_its_tick(base: float, factor: float, low: float, at_limit: float) -> None:
    """Neither the rounding of floats nor that of a factor hides a price at its limit; a tick away is not at it."""
    days = [date(2021, 3, 1), date(2021, 3, 2)]
    bars = {"Date": days, "Code": ["13010"] * 2, "H": [base, low], "L": [base, low], "C": [base, low]}
    prices = grid(pl.LazyFrame({**bars, "AdjFactor": [1.0, factor]}), days, ["13010"])
    np.testing.assert_equal(lower_limit_hit(prices).ravel(), [np.nan, at_limit])
    assert upper_limit_hit(prices)[1, 0] == 0
