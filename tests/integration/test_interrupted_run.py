"""Ctrl-C, SIGTERM, kill -9 at any stage: nothing hangs, nothing half-made stays, a re-run ends with the same bits."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from mlflow.tracking import MlflowClient

from resources.lake import Lake
from tests.integration.processes import ROOT, atft, clean_environment, command
from tests.tiny import TINY, assignments

LONG = assignments({**TINY, "training.epochs.baseline": 4, "training.patience": 4})
STAGE = re.compile(r"^\[\s*\d+/\d+\] (\S+)")
SECONDS_TO_STOP = 30.0
"""Two or three are enough on a quiet machine; a test must not fail on a busy one."""


@contextmanager
def started(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A whole run as a process of its own; killed at the end if it still runs."""
    arguments = command(store, "run", settings=LONG)
    with subprocess.Popen(
        arguments, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def next_stage(child: subprocess.Popen[str]) -> str | None:
    """Wait until one more asset is committed; None when the run ends first."""
    assert child.stdout is not None
    for line in child.stdout:
        if match := STAGE.match(line):
            return match[1]
    return None


def wait_for_checkpoint(store: Path, child: subprocess.Popen[str]) -> Path:
    """The first epoch of a fit lies on the disk."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and child.poll() is None:
        for path in (store / "demo" / "lake" / ".checkpoints").rglob("*.safetensors"):
            return path
        time.sleep(0.02)
    raise AssertionError(f"no checkpoint was written before the run ended ({child.poll()})")


def require_nothing_hangs(store: Path) -> None:
    """No open run in Dagster or MLflow, no slot taken; the lake holds nothing half-made."""
    with dg.DagsterInstance.from_config(str(store / "demo" / "dagster")) as instance:
        assert {run.status.value for run in instance.get_runs()} <= {"SUCCESS", "FAILURE", "CANCELED"}
        assert instance.event_log_storage.get_concurrency_info("gpu").claimed_slots == []
    client = MlflowClient(tracking_uri=f"sqlite:///{store / 'demo' / 'mlflow' / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    assert {run.info.status for run in client.search_runs(experiments, max_results=1000)} <= {"FINISHED", "FAILED"}
    assert list((store / "demo" / "lake").rglob(".staging-*")) == []


def contents(store: Path) -> dict[str, str]:
    """Content hash of every artefact; signals carry the time of scoring and are compared without it."""
    lake = Lake(store / "demo" / "lake")
    found = {}
    for path in sorted(lake.root.rglob("manifest.json")):
        asset, partition = path.parent.parent.relative_to(lake.root).as_posix(), path.parent.name
        manifest = lake.manifest(asset, None if partition == "all" else partition)
        assert manifest is not None
        found[f"{asset}@{partition}"] = manifest.content_hash
    return found


@pytest.mark.slow
def test_killed_at_every_asset_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    with started(undisturbed) as whole:  # beside the other: most of a killed run is starting up
        moment = random.Random(7)
        committed: list[str] = []
        while (stage := _kill_after_one_stage(disturbed, moment.uniform(0.0, 0.4))) is not None:
            committed.append(stage)
            assert len(committed) < 60, committed
        said, _ = whole.communicate(timeout=300)
        assert whole.returncode == 0, said
    assert {"features", "arrow_cache", "fold_models/fold_0", "evaluation"} <= set(committed)
    assert len(committed) > 20

    last = atft(disturbed, "run", settings=LONG)
    assert last.returncode == 0, last.stdout
    assert contents(disturbed) == contents(undisturbed)
    require_nothing_hangs(disturbed)


def _kill_after_one_stage(store: Path, delay: float) -> str | None:
    """Kill a run inside the stage after the next one; training only once it has a checkpoint to go on from."""
    with started(store) as child:
        stage = next_stage(child)
        if stage is None:
            return None
        time.sleep(delay)
        if stage == "baselines":
            wait_for_checkpoint(store, child)
        child.send_signal(signal.SIGKILL)
        child.wait()
        return stage


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
