"""Artefacts that a blocking check has not passed: they are committed, and nothing may be made from them."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)


def unpassed_checks(
    instance: dg.DagsterInstance,
    graph: BaseAssetGraph,  # type: ignore[type-arg]
    keys: Iterable[dg.AssetKey],
) -> dict[dg.AssetKey, str]:
    """Names of blocking checks whose last execution failed, or never ended because its run died, by asset.

    A check that was never executed says nothing: the records may be younger than the lake.
    """
    wanted = set(keys)
    checks = [key for key in graph.asset_check_keys if key.asset_key in wanted and graph.get(key).blocking]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return {key.asset_key: key.name for key, record in latest.items() if not _passed(record)}


def _passed(record: AssetCheckExecutionRecord) -> bool:
    """Whether what depends on the asset may go on: warnings do not hold it up."""
    if record.status == AssetCheckExecutionRecordStatus.SUCCEEDED:
        return True
    evaluation = record.evaluation  # of a run that died before the check it is the plan to execute it
    return isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.severity == dg.AssetCheckSeverity.WARN
