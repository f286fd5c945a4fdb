"""The tests' own deployment: a tiny simulated market, in a home of its own that is gone afterwards.

The structure of a process is fixed when the code location loads, so it is set here, before anything imports it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile

import pytest

for name in [name for name in os.environ if name.startswith("ATFT_") and not name.startswith("ATFT_TEST_")]:
    del os.environ[name]

HOME = tempfile.mkdtemp(prefix="atft-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

TINY = {
    "store": HOME,
    "features.families": ["volatility", "liquidity", "market", "cross_market", "sector"],
    "source.simulator.n_codes": 160,
    "source.simulator.n_sessions": 430,
    "period.sessions": 150,
    "folds.n_folds": 2,
    "targets.horizons": [1, 5],
    "model.fan.path": 5,
    "folds.horizon": 5,
    "folds.embargo": 5,
    "folds.holdout": 20,
    "model.window": 8,
    "model.hidden": 16,
    "universe.min_trading_value": 0.0,
    "training.epochs.baseline": 1,
    "training.epochs.adaptive_norm": 1,
    "training.epochs.gat": 1,
    "training.epochs.finetune": 1,
    "evaluation.bootstrap_samples": 100,
}
os.environ["ATFT_PRESET"] = "demo"
os.environ["ATFT_OVERRIDES"] = json.dumps(TINY)
os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_WAIT_POLICY"] = "passive"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-snapshot` rewrites the snapshot of the asset graph."""
    parser.addoption("--update-snapshot", action="store_true", help="rewrite tests/snapshots")
