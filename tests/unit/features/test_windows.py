"""Window statistics against loops that a reader can check."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import skew

from atft_pipeline.features import windows as w

NAN = float("nan")


def column(*values: float) -> w.Array:
    """A panel of one stock."""
    return np.array(values, dtype=np.float64)[:, None]


@pytest.fixture
def panel() -> w.Array:
    """80 sessions, 3 stocks, a fifth of the cells unobserved."""
    rng = np.random.default_rng(3)
    x = rng.normal(2.0, 1.0, (80, 3))
    x[rng.random(x.shape) < 0.2] = NAN
    return x


def test_tiny_windows() -> None:
    """Written out by hand: sums, extremes and ages of windows of 3."""
    x = column(1, 2, 4, 8, 16)
    assert w.window_sum(x, 3).ravel().tolist() == [1, 3, 7, 14, 28]
    assert w.decayed_sum(x, 3, 0.5).ravel().tolist() == [1, 2.5, 5.25, 10.5, 21]
    assert w.window_max(column(3, 1, 2, 0, NAN), 3)[1:].ravel().tolist() == [3, 3, 2, 2]
    assert w.window_min(column(3, 1, 2, 0, NAN), 3)[1:].ravel().tolist() == [1, 1, 0, 0]
    np.testing.assert_equal(w.window_age(column(NAN, 5, NAN, NAN, NAN, 1), 3).ravel(), [NAN, 1, 2, 3, NAN, 1])
    np.testing.assert_equal(w.lag(column(1, 2, 3), 2).ravel(), [NAN, NAN, 1])
    np.testing.assert_equal(w.lag(column(1, 2), 5).ravel(), [NAN, NAN])


def test_half_of_the_window_must_be_observed() -> None:
    """Of 4 sessions 2 are enough, 1 is not."""
    mean = w.window_mean(column(NAN, NAN, NAN, 6, 2), 4).ravel()
    np.testing.assert_equal(mean, [NAN, NAN, NAN, NAN, 4])


@pytest.mark.parametrize("length", [2, 3, 5, 7, 20, 33])
def test_statistics_equal_a_loop(panel: w.Array, length: int) -> None:
    """Mean, deviation, skewness, median, extremes of every window, computed one by one."""
    got = {
        "mean": w.window_mean(panel, length),
        "std": w.window_std(panel, length),
        "median": w.window_median(panel, length),
        "max": w.window_max(panel, length),
        "skew": w.window_skew(panel, length),
    }
    compared = 0
    for t in range(len(panel)):
        for c in range(panel.shape[1]):
            seen = panel[max(t - length + 1, 0) : t + 1, c]
            seen = seen[np.isfinite(seen)]
            if len(seen) < length / 2:
                assert np.isnan(got["mean"][t, c])
                assert np.isnan(got["median"][t, c])
                assert np.isnan(got["max"][t, c])
                continue
            assert got["mean"][t, c] == pytest.approx(seen.mean())
            assert got["median"][t, c] == pytest.approx(np.median(seen))
            assert got["max"][t, c] == seen.max()
            if len(seen) > 2:
                assert got["std"][t, c] == pytest.approx(seen.std(ddof=1))
                assert got["skew"][t, c] == pytest.approx(skew(seen), abs=1e-9)
                compared += 1
    assert compared > 50 or length < 5


def test_deviation_of_equal_values_is_exactly_zero() -> None:
    """0.1 has no exact form: a running sum would leave a rounding, and a z-score of it."""
    with np.errstate(invalid="ignore"):
        assert (w.window_std(np.full((30, 1), 1234.1), 20)[10:] == 0.0).all()


def test_exponential_mean_equals_its_definition(panel: w.Array) -> None:
    """Weights (1 - 2/(span+1))^k over five spans, renormalized over what is observed."""
    span = 4
    decay = 1 - 2 / (span + 1)
    got = w.exponential_mean(panel, span)
    whole = sum(decay**k for k in range(5 * span))
    for t in range(len(panel)):
        pairs = [(decay**k, panel[t - k, 0]) for k in range(min(5 * span, t + 1)) if np.isfinite(panel[t - k, 0])]
        weight = sum(p for p, _ in pairs)
        if weight >= 0.5 * whole:
            assert got[t, 0] == pytest.approx(sum(p * x for p, x in pairs) / weight)
        else:
            assert np.isnan(got[t, 0])


def test_exponential_mean_forgets_everything_before_five_spans() -> None:
    """A value older than 5 spans has no weight at all: not a small one."""
    x = np.ones((40, 1))
    y = x.copy()
    y[0] = 1e12
    assert (w.exponential_mean(x, 4)[20:] == w.exponential_mean(y, 4)[20:]).all()
    assert w.exponential_mean(y, 4)[19, 0] > 2


def test_regression_equals_numpy(panel: w.Array) -> None:
    """Slope and residual deviation of the common observations, by least squares."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 1))
    slope, residual = w.regression(panel, x, 20)
    t, c = 55, 1
    y, z = panel[t - 19 : t + 1, c], x[t - 19 : t + 1, 0]
    known = np.isfinite(y)
    fit = np.polyfit(z[known], y[known], 1)
    left = y[known] - np.polyval(fit, z[known])
    assert slope[t, c] == pytest.approx(fit[0])
    assert residual[t, c] == pytest.approx(np.sqrt((left**2).sum() / (known.sum() - 2)))


def test_regression_needs_observations_and_variation() -> None:
    """Nine of twenty are too few; a constant explains nothing."""
    y, x = np.random.default_rng(2).normal(size=(2, 20, 1))
    few = np.where(np.arange(20)[:, None] < 11, NAN, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(w.regression(few, x, 20)[0][-1, 0])
        assert np.isfinite(w.regression(few, x, 20, min_count=9)[0][-1, 0])
        assert np.isnan(w.regression(y, np.full_like(x, 0.1), 20)[0][-1, 0])


def test_a_value_does_not_depend_on_where_the_panel_begins(panel: w.Array) -> None:
    """Bit for bit: sums are joined in an order that only the window's length decides."""
    functions: tuple[Callable[[w.Array], w.Array], ...] = (
        lambda x: w.window_mean(x, 13),
        lambda x: w.window_std(x, 13),
        lambda x: w.window_skew(x, 13),
        lambda x: w.window_median(x, 13),
        lambda x: w.window_max(x, 13),
        lambda x: w.exponential_mean(x, 2),
    )
    for function in functions:
        np.testing.assert_array_equal(function(panel)[40:], function(panel[20:])[20:])
        np.testing.assert_array_equal(function(panel)[:50], function(panel[:50]))
