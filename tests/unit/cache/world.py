"""A small world for tests of cache and training: 40 stocks, eight columns in three families, targets to be learned."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from atft_pipeline.cache import ArrowCache, write_cache
from atft_pipeline.cache.layout import FILE_NAME
from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.column import Column, Kind, Scope
from atft_pipeline.features.contract import Contract
from atft_pipeline.graphs import graphs_for_sessions
from atft_pipeline.settings import Settings, load_settings


def column(
    name: str, family: str, scope: Scope, kind: Kind, *, return_like: bool = False, active: float = 0.9
) -> Column:
    """A contract column with everything that these tests do not look at filled in."""
    return Column(
        name=name,
        family=family,
        dtype="Float32",
        scope=scope,
        kind=kind,
        valid_range=(-1e6, 1e6),
        max_null_share=0.5,
        min_active_share=active,
        warmup=0,
        endpoints=("daily_bars",),
        formula="",
        as_of="t",
        return_like=return_like,
    )


CONTRACT = Contract(
    1,
    (
        column("day", "moves", "stock", "robust_z", return_like=True),
        column("night", "moves", "stock", "robust_z", return_like=True),
        column("gap", "moves", "stock", "robust_z", return_like=True),
        column("level", "state", "stock", "robust_z"),
        column("rank", "state", "stock", "rank_gauss"),
        column("rare", "state", "stock", "flag", active=0.05),
        column("index", "market", "market", "time_series"),
        column("drawdown", "market", "market", "time_series"),
    ),
)
N_CODES = 40
CODES = tuple(f"{1000 + 7 * i}0" for i in range(N_CODES))
SMALL = {
    # training is fixed here, so that tuning the demo changes no test
    "training.epochs.baseline": 2,
    "training.epochs.adaptive_norm": 1,
    "training.epochs.gat": 2,
    "training.epochs.finetune": 1,
    "training.finetune_factor": 0.3,
    "training.learning_rate": 0.001,
    "training.patience": 3,
    "model.window": 6,
    "model.hidden": 8,
    "model.graph.heads": 2,
    "model.attention_heads": 2,
    "training.days_per_batch": 4,
    "training.days_per_micro_batch": 4,
    "training.monitor_horizon": 1,
    "device.threads": 1,
    "graph.window": 30,
    "graph.min_common": 15,
}


def small_settings(**changes: object) -> Settings:
    """Demo settings cut to the size of this world; keys with "__" for dots."""
    return load_settings("demo", SMALL | {key.replace("__", "."): value for key, value in changes.items()}, environ={})


def scratch_file() -> Path:
    """Place for a cache file that lives as long as the process."""
    folder = tempfile.mkdtemp(prefix="atft-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder) / FILE_NAME


@dataclass(frozen=True)
class World:
    """Sessions and the tables on them."""

    sessions: tuple[date, ...]
    features: pl.DataFrame
    targets: pl.DataFrame
    universe: pl.DataFrame
    graphs: pl.DataFrame

    def write(self, path: Path, settings: Settings) -> ArrowCache:
        """The cache of this world."""
        write_cache(path, self.features.lazy(), self.targets.lazy(), self.sessions, CONTRACT, settings)
        return ArrowCache.open(path)


def make_world(n_sessions: int = 80, seed: int = 0) -> World:
    """Stock `c` is outside the universe now and then; 5% of values are null; `level` foretells every return."""
    generator = np.random.default_rng(seed)
    days = [date(2024, 1, 4) + timedelta(days=i) for i in range(2 * n_sessions)]
    sessions = tuple(day for day in days if day.weekday() < 5)[:n_sessions]
    shape = (n_sessions, N_CODES)
    inside = generator.random(shape) > 0.1
    inside[:, :25] = True
    level = generator.normal(size=shape)
    values = {name: generator.normal(size=shape) for name in ("day", "night", "gap", "rank")}
    values |= {"level": level, "rare": (generator.random(shape) < 0.03).astype(float)}
    holes = {name: generator.random(shape) < 0.05 for name in values}
    market = {
        name: np.repeat(generator.normal(5.0, 2.0, size=(n_sessions, 1)), N_CODES, axis=1)
        for name in ("index", "drawdown")
    }
    market["index"][3] = np.nan
    dates = np.repeat(np.array(sessions, dtype="datetime64[D]"), N_CODES)
    frame = {"Date": dates, "Code": list(CODES) * n_sessions}
    for name in CONTRACT.names:
        array = market[name] if name in market else np.where(holes[name], np.nan, values[name])
        frame[name] = array.reshape(-1).astype(np.float32)
    keep = pl.Series(inside.reshape(-1))
    features = pl.DataFrame(frame).with_columns(pl.col(CONTRACT.names).fill_nan(None))
    targets = pl.DataFrame({"Date": dates, "Code": list(CODES) * n_sessions})
    for h in (1, 5, 10, 20):
        future = 0.01 * np.sqrt(h) * (0.5 * level + generator.normal(size=shape))
        future[n_sessions - h :] = np.nan
        unknown = generator.random(shape) < 0.03
        for entry, shift in (("close", 0.0), ("next_open", 0.001)):
            column_values = np.where(unknown, np.nan, future + shift * generator.normal(size=shape))
            targets = targets.with_columns(pl.Series(f"{entry}_{h}", column_values.reshape(-1)).fill_nan(None))
    universe = features.select(
        "Date",
        "Code",
        in_universe=keep,
        S33=pl.lit("3650"),
        S17=pl.lit("6"),
        Mkt=pl.lit("0111"),
    )
    return World(
        sessions, features.filter(keep), targets.filter(keep), universe, _graphs(universe, sessions, generator)
    )


def _graphs(universe: pl.DataFrame, sessions: tuple[date, ...], generator: np.random.Generator) -> pl.DataFrame:
    shape = (len(sessions), N_CODES)
    groups = np.repeat(generator.normal(size=(len(sessions), 8)), N_CODES // 8, axis=1)
    close = 1000.0 * np.cumprod(1.0 + 0.01 * (groups + generator.normal(size=shape)), axis=0)
    bars = universe.select(
        "Date", "Code", C=pl.Series(close.reshape(-1)), AdjFactor=pl.lit(1.0), Va=pl.Series(close.reshape(-1) * 1e5)
    )
    calendar = TradingCalendar(sessions)
    return graphs_for_sessions(bars, None, universe, sessions, calendar, small_settings().graph)
