"""A column that knows the future is named; an honest signal passes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.leak_scan import LeakScan, Suspect, scan_for_leaks
from tests.unit.cache.world import CONTRACT, World, make_world, scratch_file, small_settings
from tests.unit.evaluation.leak_worlds import (
    DEGREES,
    Graded,
    graded_world,
    honest_world,
    replaced,
    strengths_by_loops,
)

LIMIT = 0.2


def label(world: World, target: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The forward return of each row of the features, NaN where unknown."""
    rows = world.features.select("Date", "Code").join(world.targets, on=["Date", "Code"], how="left")
    return rows[target].to_numpy()


def suspects_of(world: World, limit: float = LIMIT) -> tuple[Suspect, ...]:
    cache: ArrowCache = world.write(scratch_file(), small_settings())
    return scan_for_leaks(cache, CONTRACT, cache.days, limit).suspects


def test_noise_is_not_suspected() -> None:
    assert suspects_of(honest_world()) == ()


@pytest.mark.parametrize("target", ["next_open_1", "next_open_20", "close_5"])
@pytest.mark.parametrize("share_of_noise", [0.0, 3.0])
def test_a_forward_return_among_the_inputs_blocks(target: str, share_of_noise: float) -> None:
    """The control of the design: target plus noise, a correlation of .32."""
    world = honest_world()
    known = np.nan_to_num(label(world, target))
    noise = np.random.default_rng(1).normal(size=len(known)) * known.std() * share_of_noise
    suspects = suspects_of(replaced(world, "day", pl.Series((known + noise).astype(np.float32))))
    assert {suspect.column for suspect in suspects if suspect.blocking} == {"day"}
    assert target in {suspect.target for suspect in suspects}


def test_a_negated_forward_return_blocks_as_well() -> None:
    world = honest_world()
    values = pl.Series((-np.nan_to_num(label(world, "next_open_5"))).astype(np.float32))
    worst = suspects_of(replaced(world, "gap", values))[0]
    assert (worst.column, worst.blocking) == ("gap", True)
    assert worst.value < -0.9


def test_an_honest_effect_with_a_t_of_11_passes() -> None:
    """A trait of the stock that is paid every session, as overnight returns are: the same yesterday as today."""
    world = honest_world(260)
    trait = {code: value for value, code in enumerate(sorted(set(world.features["Code"])))}
    slow = world.features["Code"].replace_strict(trait, return_dtype=pl.Float64).to_numpy() / len(trait)
    rows = world.targets.join(pl.DataFrame({"Code": list(trait), "t": list(trait.values())}), on="Code", how="left")
    paid = [
        (pl.col(name) + 0.00018 * np.sqrt(int(name.rsplit("_", 1)[1])) * pl.col("t")).alias(name)
        for name in world.targets.columns
        if name not in ("Date", "Code")
    ]
    honest = World(world.sessions, world.features, rows.with_columns(paid).drop("t"), world.universe, world.graphs)
    by_day = world.features.select("Date", x=pl.Series(slow), y=pl.Series(label(honest, "close_1")))
    daily = np.array(
        [spearmanr(*group.drop_nulls().select("x", "y").to_numpy().T).statistic for _, group in by_day.group_by("Date")]
    )
    daily = daily[np.isfinite(daily)]
    t = daily.mean() / daily.std() * np.sqrt(len(daily))
    assert 10 < t < 12
    assert suspects_of(replaced(honest, "rank", pl.Series(slow.astype(np.float32)))) == ()


def test_what_is_gone_a_session_later_is_odd_and_does_not_block() -> None:
    suspects = suspects_of(make_world(80), limit=0.9)  # `level` is drawn anew each day and foretells every return
    assert {(suspect.column, suspect.blocking) for suspect in suspects} == {("level", False)}
    assert all(abs(suspect.value) < suspect.limit for suspect in suspects)


def test_columns_of_the_whole_market_are_not_judged() -> None:
    names = {suspect.column for suspect in suspects_of(make_world(80), limit=0.0)}
    assert names.isdisjoint({"index", "drawdown"})
    assert "day" in names


@pytest.fixture(scope="module")
def graded() -> Graded:
    return graded_world()


def test_each_column_stands_at_its_strongest_target(graded: Graded) -> None:
    """Order and every figure as a loop over days, columns and targets finds them."""
    cache = graded.write(scratch_file())
    found = scan_for_leaks(cache, graded.contract, cache.days, LIMIT).strengths
    expected = strengths_by_loops(graded)
    assert [(s.column, s.target) for s in found] == [(s.column, s.target) for s in expected]
    for got, wanted in zip(found, expected, strict=True):
        assert (got.rank_ic, got.lagged_rank_ic, got.days_above) == pytest.approx(
            (wanted.rank_ic, wanted.lagged_rank_ic, wanted.days_above), abs=1e-6
        )


def test_what_cannot_be_measured_has_no_strength(graded: Graded) -> None:
    """A column of the whole market, and those without spread; on a day without labels nothing is told."""
    cache = graded.write(scratch_file())
    names = {s.column for s in scan_for_leaks(cache, graded.contract, cache.days, LIMIT).strengths}
    assert names == set(DEGREES)
    assert scan_for_leaks(cache, graded.contract, cache.days[-1:], LIMIT) == LeakScan((), ())
