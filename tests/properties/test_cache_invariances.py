"""The day store keeps what it should: windows are days side by side, and no day knows a later one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.cache import ArrowCache
from tests.unit.cache.world import CONTRACT, World, make_world, scratch_file, small_settings


@cache
def world() -> World:
    return make_world(45)


def written(one: World) -> ArrowCache:
    return one.write(scratch_file(), small_settings())


@cache
def store() -> ArrowCache:
    return written(world())


@settings(deadline=None)
@given(end=st.integers(0, 44), length=st.integers(1, 45))
def test_a_window_is_its_days_side_by_side(end: int, length: int) -> None:
    length = min(length, end + 1)
    days = store().days[end - length + 1 : end + 1]
    window = store().window(days[-1], length)
    assert window.shape == (length, 40, 8)
    np.testing.assert_array_equal(window, np.stack([store().window(day, 1)[0] for day in days]))
    np.testing.assert_array_equal(store().window_mask(days[-1], length), np.stack([store().mask(day) for day in days]))
    np.testing.assert_array_equal(
        store().family_window(days[-1], length), np.stack([store().family_window(day, 1)[0] for day in days])
    )


@settings(deadline=None, max_examples=10)
@given(cut=st.integers(1, 44), seed=st.integers(0, 2**32 - 1))
def test_features_of_a_day_do_not_know_a_later_one(cut: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    later = pl.col("Date") > world().sessions[cut]
    noise = pl.Series(generator.normal(scale=100.0, size=world().features.height).astype(np.float32))
    changed = world().features.with_columns(
        pl.when(later).then(pl.col(name) + noise).otherwise(pl.col(name)) for name in CONTRACT.names
    )
    other = written(replace(world(), features=changed))
    last = world().sessions[cut]
    np.testing.assert_array_equal(other.window(last, cut + 1), store().window(last, cut + 1))
    np.testing.assert_array_equal(other.window_mask(last, cut + 1), store().window_mask(last, cut + 1))
    if cut < 44:
        assert not np.array_equal(other.window(world().sessions[44], 1), store().window(world().sessions[44], 1))


@settings(deadline=None, max_examples=10)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(order: object) -> None:
    seed = order.randint(0, 2**31)  # type: ignore[attr-defined]
    shuffled = replace(
        world(),
        features=world().features.sample(fraction=1.0, shuffle=True, seed=seed),
        targets=world().targets.sample(fraction=1.0, shuffle=True, seed=seed + 1),
    )
    assert written(shuffled).file.read_bytes() == store().file.read_bytes()


@settings(deadline=None, max_examples=10)
@given(day=st.integers(0, 44), factor=st.floats(0.1, 10.0), shift=st.floats(-5.0, 5.0))
def test_a_days_unit_and_level_are_not_seen(day: int, factor: float, shift: float) -> None:
    """Cross-section columns of a day may be scaled and shifted as a whole: the store holds the same z-scores."""
    on = pl.col("Date") == world().sessions[day]
    moved = world().features.with_columns(
        level=pl.when(on).then(pl.col("level").cast(pl.Float64) * factor + shift).otherwise(pl.col("level"))
    )
    other = written(replace(world(), features=moved))
    at = world().sessions[day]
    np.testing.assert_allclose(other.window(at, 1), store().window(at, 1), atol=1e-4)
