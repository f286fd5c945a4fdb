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

from tests.tiny import TINY

for name in [name for name in os.environ if name.startswith("ATFT_") and not name.startswith("ATFT_TEST_")]:
    del os.environ[name]

HOME = tempfile.mkdtemp(prefix="atft-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ["ATFT_PRESET"] = "demo"
os.environ["ATFT_OVERRIDES"] = json.dumps({"store": HOME, **TINY})
os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_WAIT_POLICY"] = "passive"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-snapshot` rewrites the snapshot of the asset graph."""
    parser.addoption("--update-snapshot", action="store_true", help="rewrite tests/snapshots")
