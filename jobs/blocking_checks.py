"""Blocking checks between runs: those that failed, and those that a dead run planned and never reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from jobs.killed_runs import OPEN, process_tag
from resources.currency import asset_name
from resources.lake import Lake

WARN = dg.AssetCheckSeverity.WARN


def failed_checks(
    instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, str]:
    """Names of blocking checks whose last execution failed, by asset: nothing may be made from these assets."""
    return {key.asset_key: key.name for key, record in _latest(instance, graph, keys).items() if _failed(record)}


def execute_unreached_checks(job: dg.JobDefinition, instance: dg.DagsterInstance, lake: Lake) -> tuple[str, ...]:
    """Execute the blocking checks that a dead run left behind, over what is committed; gives their names.

    A run that is killed between a commit and its check leaves an artefact that nobody has looked at. Checks of assets
    without anything committed are left to the run that makes them.
    """
    graph = job.asset_layer.asset_graph
    records = _latest(instance, graph, set(job.asset_layer.executable_asset_keys))
    left = {
        key
        for key, record in records.items()
        if record.status == AssetCheckExecutionRecordStatus.PLANNED
        and _is_over(instance, record.run_id)
        and _is_there(lake, asset_name(key.asset_key))
    }
    if left:
        job.get_subset(asset_check_selection=left).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags=process_tag(),
            raise_on_error=False,
        )
    return tuple(sorted(f"{asset_name(key.asset_key)}: {key.name}" for key in left))


def _latest(
    instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], keys: Collection[dg.AssetKey]
) -> Mapping[dg.AssetCheckKey, AssetCheckExecutionRecord]:
    checks = [key for key in graph.asset_check_keys if key.asset_key in keys and graph.get(key).blocking]
    return instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)


def _failed(record: AssetCheckExecutionRecord) -> bool:
    """Whether what depends on the asset must not go on: warnings do not hold it up."""
    evaluation = record.evaluation  # of a check that was planned and not executed it is the plan
    failed = record.status == AssetCheckExecutionRecordStatus.FAILED
    return failed and isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.severity != WARN


def _is_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.status not in OPEN


def _is_there(lake: Lake, asset: str) -> bool:
    return bool(lake.partitions(asset)) or lake.manifest(asset) is not None
