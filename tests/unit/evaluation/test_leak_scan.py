"""A column that knows the future is named; an honest signal passes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.leak_scan import Suspect, scan_for_leaks
from tests.unit.cache.world import CONTRACT, World, make_world, scratch_file, small_settings

LIMIT = 0.2


def honest_world(n_sessions: int = 80) -> World:
    """The small world with a `level` that foretells nothing."""
    world = make_world(n_sessions)
    noise = np.random.default_rng(5).normal(size=world.features.height).astype(np.float32)
    return replaced(world, "level", pl.Series(noise))


def replaced(world: World, name: str, values: pl.Series) -> World:
    return World(
        world.sessions, world.features.with_columns(values.alias(name)), world.targets, world.universe, world.graphs
    )


def label(world: World, target: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The forward return of each row of the features, NaN where unknown."""
    rows = world.features.select("Date", "Code").join(world.targets, on=["Date", "Code"], how="left")
    return rows[target].to_numpy()


def scan(world: World, limit: float = LIMIT) -> list[Suspect]:
    path = scratch_file()
    cache: ArrowCache = world.write(path, small_settings())
    return scan_for_leaks(cache, CONTRACT, cache.days, limit)


def test_noise_is_not_suspected() -> None:
    assert scan(honest_world()) == []


@pytest.mark.parametrize("target", ["next_open_1", "next_open_20", "close_5"])
@pytest.mark.parametrize("share_of_noise", [0.0, 3.0])
def test_a_forward_return_among_the_inputs_blocks(target: str, share_of_noise: float) -> None:
    """The control of the design: target plus noise, a correlation of .32."""
    world = honest_world()
    known = np.nan_to_num(label(world, target))
    noise = np.random.default_rng(1).normal(size=len(known)) * known.std() * share_of_noise
    suspects = scan(replaced(world, "day", pl.Series((known + noise).astype(np.float32))))
    assert {suspect.column for suspect in suspects if suspect.blocking} == {"day"}
    assert target in {suspect.target for suspect in suspects}


def test_a_negated_forward_return_blocks_as_well() -> None:
    world = honest_world()
    values = pl.Series((-np.nan_to_num(label(world, "next_open_5"))).astype(np.float32))
    worst = scan(replaced(world, "gap", values))[0]
    assert (worst.column, worst.blocking) == ("gap", True)
    assert worst.value < -0.9


def test_a_slow_honest_signal_passes() -> None:
    """A trait of the stock that earns a rank correlation of about .1, the same yesterday as today."""
    world = honest_world()
    trait = {code: value for value, code in enumerate(sorted(set(world.features["Code"])))}
    slow = world.features["Code"].replace_strict(trait, return_dtype=pl.Float64).to_numpy() / len(trait)
    rows = world.targets.join(pl.DataFrame({"Code": list(trait), "t": list(trait.values())}), on="Code", how="left")
    paid = [
        (pl.col(name) + 0.0005 * np.sqrt(int(name.rsplit("_", 1)[1])) * pl.col("t") / 10).alias(name)
        for name in world.targets.columns
        if name not in ("Date", "Code")
    ]
    honest = World(world.sessions, world.features, rows.with_columns(paid).drop("t"), world.universe, world.graphs)
    assert scan(replaced(honest, "rank", pl.Series(slow.astype(np.float32))), limit=0.3) == []


def test_what_is_gone_a_session_later_is_odd_and_does_not_block() -> None:
    suspects = scan(make_world(80), limit=0.9)  # `level` is drawn anew each day and foretells every return
    assert {(suspect.column, suspect.blocking) for suspect in suspects} == {("level", False)}
    assert all(abs(suspect.value) < suspect.limit for suspect in suspects)


def test_columns_of_the_whole_market_are_not_judged() -> None:
    names = {suspect.column for suspect in scan(make_world(80), limit=0.0)}
    assert names.isdisjoint({"index", "drawdown"})
    assert "day" in names
