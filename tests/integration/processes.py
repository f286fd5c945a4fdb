"""Runs of `atft` as processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ATFT = [sys.executable, "-m", "jobs.cli"]

TINY = [
    'features.families=["volatility", "liquidity", "market", "cross_market", "sector"]',
    "source.simulator.n_codes=160",
    "source.simulator.n_sessions=430",
    "period.sessions=150",
    "folds.n_folds=2",
    "targets.horizons=[1, 5]",
    "model.fan.path=5",
    "folds.horizon=5",
    "folds.embargo=5",
    "folds.holdout=20",
    "model.window=8",
    "model.hidden=16",
    "universe.min_trading_value=0",
    "evaluation.bootstrap_samples=100",
]


def clean_environment() -> dict[str, str]:
    """The environment without what this test process fixed for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ATFT_", "DAGSTER_"))}


def command(store: Path, *arguments: str, settings: list[str] | None = None) -> list[str]:
    """`atft <arguments>` on the tiny market in a store of its own; `--help` alone takes no settings."""
    if arguments == ("--help",):
        return [*ATFT, "--help"]
    given = [f"store={store}", *(TINY if settings is None else settings)]
    return [*ATFT, *arguments, *(part for setting in given for part in ("--set", setting))]


def atft(store: Path, *arguments: str, settings: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end and capture what it says."""
    return subprocess.run(
        command(store, *arguments, settings=settings),
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
