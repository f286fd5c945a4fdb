"""How fast features are made: `make bench-features`, 1,000 codes x 1,000 sessions with 5% of the bars missing.

A process of its own for `alpha158` and one for all price families, so that each has its own peak of memory; then all
306 columns of the last month of a simulated market with every endpoint, 4,000 codes and the warm-up. Seconds of
the clock and of the processor (all cores) stand beside each other: on a machine that others use too, they differ. The
compiler's time is measured apart, from an empty cache. Anchors in the same process: a copy of the output, and rolling
means and deviations of the close over the five windows in plain polars. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from unittest.mock import patch

import numpy as np
import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features import compute
from atft_pipeline.features.column import Feature
from atft_pipeline.features.contract import CONTRACT, FEATURES
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.universe import build_universe
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import SimulatorSettings, UniverseSettings
from benchmarks.stages import MemoryWatch

PRICE_FAMILIES = ("alpha158", "technical", "volatility", "liquidity", "market", "cross_market", "sector")
MISSING = 0.05
WINDOWS = (5, 10, 20, 30, 60)
REPEATS = 3
MONTH = 22
EVERYTHING = UniverseSettings(min_price=0.0, min_trading_value=0.0)

Seconds = np.ndarray
"""Of the clock, and of the processor."""


def simulated(n_codes: int, n_sessions: int) -> tuple[dict[str, pl.LazyFrame], pl.LazyFrame, list[date]]:
    """Raw tables and a universe of everything: random walks with missing bars, and a split for every fifth stock."""
    rng = np.random.default_rng(0)
    shape = (n_sessions, n_codes)
    days = [date(2015, 1, 1) + timedelta(days=i) for i in range(n_sessions)]
    factor = np.where(rng.random(shape) < 0.2 / n_sessions, 0.5, 1.0)
    basis = np.cumprod(factor, axis=0)
    close = 1000 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0)) * basis
    open_ = close * np.exp(rng.normal(0, 0.01, shape))
    volume = np.round(np.exp(rng.normal(10, 1, shape)) / basis)
    prices = {"O": open_, "H": np.maximum(open_, close) * 1.005, "L": np.minimum(open_, close) * 0.995, "C": close}
    missing = rng.random(shape) < MISSING
    numbers = {
        name: pl.Series(np.where(missing, np.nan, values).ravel()).fill_nan(None)
        for name, values in {**prices, "Vo": volume, "Va": volume * close}.items()
    }
    keys = pl.DataFrame({"Date": days}).join(
        pl.DataFrame({"Code": [f"{1000 + i}0" for i in range(n_codes)]}), how="cross"
    )
    bars = keys.with_columns(**numbers, AdjFactor=pl.Series(factor.ravel()))
    number = pl.col("Code").cast(pl.Int64) // 10
    universe = keys.with_columns(
        in_universe=True, S33=(number % 33).cast(pl.String), S17=(number % 17).cast(pl.String), Mkt=pl.lit("0111")
    )
    level = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, n_sessions)))
    topix = pl.DataFrame({"Date": days, "O": level, "H": level * 1.01, "L": level * 0.99, "C": level})
    calendar = pl.DataFrame({"Date": days}).with_columns(HolDiv=pl.lit("1"))
    tables = {"daily_bars": bars.lazy(), "topix": topix.lazy(), "trading_calendar": calendar.lazy()}
    return tables, universe.lazy(), days


def timed(work: Callable[[], object]) -> Seconds:
    """Seconds of one call."""
    began = np.array([time.perf_counter(), time.process_time()])
    work()
    ended = np.array([time.perf_counter(), time.process_time()])
    return np.asarray(ended - began)


def measure(families: Sequence[str], n_codes: int, n_sessions: int) -> None:
    """The families over the whole period: best of some turns, then one turn with each family's share."""
    tables, universe, days = simulated(n_codes, n_sessions)

    def made(first: date = days[0]) -> pl.DataFrame:
        return compute.compute_features(tables, universe, families, first, days[-1]).collect()

    loaded = timed(lambda: made(days[-1]))
    watch = MemoryWatch(os.getpid())
    watch.start()
    time.sleep(0.2)
    before = watch.take()
    turns = [timed(made) for _ in range(REPEATS)]
    time.sleep(0.2)
    peak = watch.take()
    best = min(turns, key=lambda seconds: float(seconds[1]))
    rows, columns = n_codes * n_sessions, len(CONTRACT.select(families).names)
    print(f"\n{', '.join(families)}: {rows:,} rows x {columns} columns")
    line("made", best, rows, columns)
    line("slowest of the turns", max(turns, key=lambda seconds: float(seconds[0])), rows, columns)
    print(f"{'machine code from disk':<28}{loaded[0]:>8.2f}{loaded[1]:>8.2f}  with the first session")
    print(f"{'peak of anonymous memory':<28}{peak:>8,.0f} MiB, {before:,.0f} of it before")
    for family, seconds in by_family(made).items():
        print(f"  {family:<26}{seconds[0]:>8.2f}{seconds[1]:>8.2f}")
    anchors(made(), tables["daily_bars"].collect(), rows)


def measure_month(n_codes: int) -> None:
    """Every family over the last month of a market that holds the warm-up and that month."""
    market = SimulatedSource(SimulatorSettings(n_codes=n_codes, n_sessions=CONTRACT.warmup + MONTH))
    tables = {
        name: to_typed(market.fetch(name, date.min, date.max), table).frame.lazy() for name, table in ENDPOINTS.items()
    }
    calendar = TradingCalendar.from_frame(tables["trading_calendar"].collect())
    last = market.last_session()
    first = calendar.shift(last, 1 - MONTH)
    universe = build_universe(tables, EVERYTHING, first, last, stretched_master=False).lazy()

    def made(start: date = first) -> pl.DataFrame:
        return compute.compute_features(tables, universe, CONTRACT.families, start, last).collect()

    timed(lambda: made(last))  # machine code from disk
    watch = MemoryWatch(os.getpid())
    watch.start()
    time.sleep(0.2)
    before = watch.take()
    turns = [timed(made) for _ in range(REPEATS)]
    peak = watch.take()
    rows = made().height
    print(f"\nall {len(CONTRACT.names)} columns, {n_codes:,} codes, the last {MONTH} sessions: {rows:,} rows")
    line("made", min(turns, key=lambda seconds: float(seconds[1])), rows, len(CONTRACT.names))
    print(f"{'peak of anonymous memory':<28}{peak:>8,.0f} MiB, {before:,.0f} of it before")
    for family, seconds in by_family(made).items():
        print(f"  {family:<26}{seconds[0]:>8.2f}{seconds[1]:>8.2f}")


def line(name: str, seconds: Seconds, rows: int, columns: int) -> None:
    """Seconds, and what they mean per row and per cell."""
    rate = rows / seconds[0]
    print(f"{name:<28}{seconds[0]:>8.2f}{seconds[1]:>8.2f}  {rate:,.0f} rows/s, {rate * columns / 1e6:,.0f} M cells/s")


def by_family(work: Callable[[], object]) -> dict[str, Seconds]:
    """Seconds inside the columns' functions, by family; the first column pays for what its family shares."""
    spent: dict[str, Seconds] = defaultdict(lambda: np.zeros(2))

    def watched(feature: Feature) -> Feature:
        def computed(panel: Panel) -> np.ndarray:
            values: list[np.ndarray] = []
            spent[feature.column.family] += timed(lambda: values.append(feature.compute(panel)))
            return values[0]

        return replace(feature, compute=computed)

    with patch.object(compute, "FEATURES", tuple(map(watched, FEATURES))):
        whole = timed(work)
    return {**spent, "panel, table": whole - sum(spent.values(), np.zeros(2))}


def anchors(output: pl.DataFrame, bars: pl.DataFrame, rows: int) -> None:
    """What no way of doing it can do without, and what a plain tool needs for a sixteenth of it."""
    block = np.empty((output.width - 2, rows), dtype=np.float32)
    block.fill(1.0)
    target = np.empty_like(block)
    target.fill(0.0)
    copied = timed(lambda: np.copyto(target, block))
    print(f"{'anchor: copy of the output':<28}{copied[0]:>8.2f}{copied[1]:>8.2f}  {block.nbytes / 1e6:,.0f} MB")
    ordered = bars.sort("Code", "Date").lazy()
    rolling = [
        statistic.over("Code").alias(f"{name}{d}")
        for d in WINDOWS
        for name, statistic in (
            ("mean", pl.col("C").rolling_mean(d, min_samples=1)),
            ("std", pl.col("C").rolling_std(d, min_samples=2)),
        )
    ]
    plain = timed(lambda: ordered.select(rolling).collect())
    print(f"{'anchor: polars, 10 columns':<28}{plain[0]:>8.2f}{plain[1]:>8.2f}  rolling mean and std of the close")


def compiling() -> None:
    """Seconds of the compiler for everything, into an empty cache of its own."""
    with tempfile.TemporaryDirectory(prefix="atft-bench-") as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        command = [sys.executable, "-m", "benchmarks.features", "--compile"]
        began = os.times()
        subprocess.run(command, env=environment, check=True)
        ended = os.times()
    clock, processor = ended.elapsed - began.elapsed, ended.children_user - began.children_user
    print(f"compiled from nothing, once for a machine: {clock:.1f} s, {processor:.1f} s of the processor")


def main() -> None:
    """The compiler, then a process for each set of families."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--month-codes", type=int, default=4000, help="of the market with every endpoint")
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compile:
        tables, universe, days = simulated(20, 80)
        compute.compute_features(tables, universe, PRICE_FAMILIES, days[-1], days[-1]).collect()
        return
    print(
        f"{len(os.sched_getaffinity(0))} cores; load {os.getloadavg()[0]:.1f}; seconds of the clock, of the processor"
    )
    compiling()
    context = multiprocessing.get_context("spawn")
    for families in (("alpha158",), PRICE_FAMILIES):
        process = context.Process(target=measure, args=(families, arguments.codes, arguments.sessions))
        process.start()
        process.join()
    process = context.Process(target=measure_month, args=(arguments.month_codes,))
    process.start()
    process.join()


if __name__ == "__main__":
    main()
