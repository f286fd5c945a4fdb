"""Runs whose process was killed: marked as failed, their slots of the pool freed, before the next run starts."""

from __future__ import annotations

import os

import dagster as dg
import psutil

from resources.mlflow_tracking import close_runs
from resources.structure import structure

PROCESS_TAG = "atft/process"
OPEN = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tag() -> dict[str, str]:
    """Names this process for good: its number and its start, since numbers are used again."""
    return {PROCESS_TAG: f"{os.getpid()}@{psutil.Process().create_time():.2f}"}


def bury_killed_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail every open run of a dead process and free its slots; gives the ids of those runs."""
    buried: list[str] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=OPEN)):
        tag = run.tags.get(PROCESS_TAG)
        if tag is None or _is_alive(tag):
            continue
        instance.report_run_failed(run, "The process of this run is gone (killed or crashed).")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        close_runs(structure().settings.home, run.run_id, succeeded=False)
        buried.append(run.run_id)
    return buried


def _is_alive(tag: str) -> bool:
    number, _, start = tag.partition("@")
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" == start
    except psutil.NoSuchProcess:
        return False
