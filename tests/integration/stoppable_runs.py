"""Runs as processes that can be stopped inside a stage, and what must be true of a store after that."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from mlflow.tracking import MlflowClient

from resources.lake import Lake
from tests.integration.processes import ROOT, clean_environment, command
from tests.tiny import TINY, assignments

LONG = assignments({**TINY, "training.epochs.baseline": 4, "training.patience": 4})
STAGE = re.compile(r"^\[\s*\d+/\d+\] (\S+)")


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
