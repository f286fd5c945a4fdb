"""Artefacts that a blocking check has not passed: they are committed, and nothing may be made from them."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

WARN = dg.AssetCheckSeverity.WARN


def failed_checks(
    instance: dg.DagsterInstance,
    graph: BaseAssetGraph,  # type: ignore[type-arg]
    keys: Iterable[dg.AssetKey],
) -> dict[dg.AssetKey, str]:
    """Names of blocking checks whose last execution failed, by asset.

    A check that was not executed says nothing: its run died before it, or the records are younger than the lake.
    """
    wanted = set(keys)
    checks = [key for key in graph.asset_check_keys if key.asset_key in wanted and graph.get(key).blocking]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return {key.asset_key: key.name for key, record in latest.items() if _failed(record)}


def _failed(record: AssetCheckExecutionRecord) -> bool:
    """Whether what depends on the asset must not go on: warnings do not hold it up."""
    evaluation = record.evaluation  # of a check that was planned and not executed it is the plan
    failed = record.status == AssetCheckExecutionRecordStatus.FAILED
    return failed and isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.severity != WARN
