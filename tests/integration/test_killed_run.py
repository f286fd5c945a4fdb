"""kill -9 in the middle of training: the next run starts at once and ends with the same bits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import dagster as dg
import pytest

from resources.lake import Lake
from tests.integration.processes import ROOT, TINY, atft, clean_environment, command

LONG = [*TINY, "training.epochs.baseline=6", "training.patience=6"]
TARGET = ("run", "--to", "fold_models/fold_0")


@pytest.mark.slow
def test_a_killed_run_frees_its_slot_and_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert atft(undisturbed, *TARGET, settings=LONG).returncode == 0

    _kill_in_training(disturbed)
    began = time.monotonic()
    again = atft(disturbed, *TARGET, settings=LONG)
    assert again.returncode == 0, again.stderr
    assert "was killed: marked as failed, its slots are free" in again.stdout
    assert "Re-used, being current" in again.stdout
    assert time.monotonic() - began < 120

    hashes = [Lake(store / "demo" / "lake").manifest("fold_models/fold_0") for store in (undisturbed, disturbed)]
    assert hashes[0] is not None
    assert hashes[1] is not None
    assert hashes[0].content_hash == hashes[1].content_hash

    with dg.DagsterInstance.from_config(str(disturbed / "demo" / "dagster")) as instance:
        statuses = sorted(run.status.value for run in instance.get_runs())
        assert statuses == ["FAILURE", "SUCCESS"]
        assert instance.event_log_storage.get_concurrency_info("gpu").claimed_slots == []


def _kill_in_training(store: Path) -> None:
    """Start a run and kill it when the first epoch's checkpoint lies on the disk."""
    child = subprocess.Popen(command(store, *TARGET, settings=LONG), cwd=ROOT, env=clean_environment())
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and child.poll() is None:
        if any(re.search(r"fold_0.*safetensors$", path.name) for path in store.rglob("*.safetensors")):
            os.kill(child.pid, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
            return
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint was written before the run ended ({child.poll()})")
