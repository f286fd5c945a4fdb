"""The exchange's table of daily price limits."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.features.price_limits import BASE_BELOW, WIDTH, price_limit


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
