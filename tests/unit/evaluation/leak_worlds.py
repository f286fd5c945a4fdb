"""Worlds for the leak scan: one without any leak, one whose columns foretell by known degrees, and a slow reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from atft_pipeline.cache import ArrowCache, write_cache
from atft_pipeline.evaluation.leak_scan import Strength
from atft_pipeline.features.column import Kind
from atft_pipeline.features.contract import Contract
from tests.unit.cache.world import World, column, make_world, small_settings

Array = NDArray[np.float64]
N_SESSIONS, N_CODES = 60, 30
DEGREES = {f"degree_{i}": sign * 0.04 * i for i, sign in enumerate((1, 1, -1, 1, -1, 1, 1, -1, 1, 1, -1, 1))}
"""Weight of a column's target in it, beside noise of the same size as the target; the last one's is .44."""
DEAD: dict[str, Kind] = {"dead_z": "robust_z", "dead_rank": "rank_gauss"}
TARGETS = tuple(f"{entry}_{h}" for entry in ("next_open", "close") for h in (1, 5, 10, 20))


def honest_world(n_sessions: int = 80) -> World:
    """The small world with a `level` that foretells nothing."""
    world = make_world(n_sessions)
    noise = np.random.default_rng(5).normal(size=world.features.height).astype(np.float32)
    return replaced(world, "level", pl.Series(noise))


def replaced(world: World, name: str, values: pl.Series) -> World:
    return World(
        world.sessions, world.features.with_columns(values.alias(name)), world.targets, world.universe, world.graphs
    )


@dataclass(frozen=True)
class Graded:
    """Inputs and returns [D, C] by name; NaN = unknown."""

    sessions: tuple[date, ...]
    columns: dict[str, Array]
    returns: dict[str, Array]

    @property
    def contract(self) -> Contract:
        """Columns with spread are raw in the cache, so that a reference needs no normalization."""
        dead = (column(name, "graded", "stock", kind) for name, kind in DEAD.items())
        degrees = (column(name, "graded", "stock", "time_series") for name in DEGREES)
        return Contract(1, (*degrees, *dead, column("index", "graded", "market", "time_series")))

    def write(self, path: Path) -> ArrowCache:
        """The cache of these arrays."""
        features, targets = (self._frame(arrays).lazy() for arrays in (self.columns, self.returns))
        write_cache(path, features, targets, self.sessions, self.contract, small_settings())
        return ArrowCache.open(path)

    def _frame(self, arrays: dict[str, Array]) -> pl.DataFrame:
        keys = pl.DataFrame({"Date": self.sessions}).join(
            pl.DataFrame({"Code": [f"{1300 + i}0" for i in range(N_CODES)]}), how="cross"
        )
        values = {name: pl.Series(array.ravel(), dtype=pl.Float32).fill_nan(None) for name, array in arrays.items()}
        return keys.with_columns(**values)


def graded_world(leak: float = 0.0) -> Graded:
    """Column i holds 4% x i of one of the targets, some of them turned round; `leak` is the last one's weight more."""
    rng = np.random.default_rng(3)
    days = [date(2024, 1, 4) + timedelta(days=i) for i in range(2 * N_SESSIONS)]
    shape = (N_SESSIONS, N_CODES)
    returns = {name: rng.normal(size=shape).astype(np.float32).astype(np.float64) for name in TARGETS}
    columns: dict[str, Array] = {}
    for i, (name, degree) in enumerate(DEGREES.items()):
        weight = degree + leak if name == list(DEGREES)[-1] else degree
        columns[name] = rng.normal(size=shape) + weight * returns[TARGETS[i % len(TARGETS)]]
        columns[name][rng.random(shape) < 0.03] = np.nan
    columns |= {name: np.full(shape, 2.0) for name in DEAD}
    columns["index"] = np.repeat(rng.normal(size=(N_SESSIONS, 1)), N_CODES, axis=1)
    columns = {name: array.astype(np.float32).astype(np.float64) for name, array in columns.items()}
    for name, array in returns.items():
        array[rng.random(shape) < 0.05] = np.nan
        array[N_SESSIONS - int(name.rsplit("_", 1)[1]) :] = np.nan
    return Graded(tuple(day for day in days if day.weekday() < 5)[:N_SESSIONS], columns, returns)


def strengths_by_loops(world: Graded) -> list[Strength]:
    """What the scan must find, one correlation at a time, the strongest first."""
    best = [
        max((_strength(world, name, target) for target in TARGETS), key=lambda s: abs(s.rank_ic)) for name in DEGREES
    ]
    return sorted(best, key=lambda s: -abs(s.rank_ic))


def _strength(world: Graded, name: str, target: str) -> Strength:
    x = world.columns[name]
    x = np.where(np.isnan(x), np.nanmedian(x, axis=1, keepdims=True), x)
    now, lagged, plain = [], [], []
    for day in range(1, N_SESSIONS):
        y = world.returns[target][day]
        known = np.isfinite(y)
        if known.any():
            now.append(correlation(rankdata(x[day, known]), rankdata(y[known])))
            lagged.append(correlation(rankdata(x[day - 1, known]), rankdata(y[known])))
            plain.append(abs(correlation(x[day, known], y[known])) > 0.5)
    return Strength(name, target, float(np.mean(now)), float(np.mean(lagged)), float(np.mean(plain)))


def correlation(x: Array, y: Array) -> float:
    return float(np.corrcoef(x, y)[0, 1])
