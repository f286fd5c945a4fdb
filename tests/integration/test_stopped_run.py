"""Ctrl-C and SIGTERM at any stage: the run ends within seconds, and nothing hangs or stays half-made."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.integration.stoppable_runs import next_stage, require_nothing_hangs, started, wait_for_checkpoint

SECONDS_TO_STOP = 30.0
"""Two or three are enough on a quiet machine; a test must not fail on a busy one."""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_within_seconds_at_any_stage(tmp_path: Path, number: signal.Signals) -> None:
    for stage in ("equities_master", "features", "baselines"):  # inside what follows: raw data, targets, training
        with started(tmp_path) as child:
            while next_stage(child) not in (stage, None):
                pass
            if stage == "baselines":
                wait_for_checkpoint(tmp_path, child)
            began = time.monotonic()
            child.send_signal(number)
            assert child.stdout is not None
            said = child.stdout.read()
            assert child.wait() == 130, said
            assert time.monotonic() - began < SECONDS_TO_STOP
        assert "Interrupted in " in said
        assert "Traceback" not in said
        require_nothing_hangs(tmp_path)
