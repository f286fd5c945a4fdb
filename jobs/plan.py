"""What a run has to do: the assets and months of a job that are not current, in words that say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import AssetKey
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from assets.stage import months
from atft_pipeline.errors import SettingsError
from atft_pipeline.settings import Settings
from jobs.blocking_checks import failed_checks
from resources.currency import Currency, asset_name
from resources.lake import Lake
from resources.structure import Structure
from resources.whole_graph import whole_graph


@dataclass(frozen=True)
class Plan:
    """Assets to materialize, in order, with the reason for each; the months to do it for; what is re-used."""

    reasons: dict[AssetKey, str]
    months: tuple[str, str]
    reused: tuple[AssetKey, ...]


def plan(
    defs: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    lake: Lake,
    structure: Structure,
    settings: Settings,
    *,
    to: Sequence[str] = (),
    within: tuple[str, str] | None = None,
) -> Plan:
    """Walk the job's assets downstream and keep those whose artefact differs from what would be made now.

    An artefact that a blocking check has not passed is made and checked again, whatever it is made from.

    Args:
        defs: the definitions that hold the job.
        job: name of the job.
        instance: where the outcomes of checks are.
        lake: where the manifests are.
        structure: source and period.
        settings: settings of the run.
        to: stop at these assets; what they do not need is left out.
        within: first and last month; months outside are neither looked at nor made.

    Raises:
        SettingsError: `to` is no asset of the job, or `within` holds no month of the period.
    """
    layer = defs.resolve_job_def(job).asset_layer
    graph = layer.asset_graph
    keys = [key for key in graph.toposorted_asset_keys if key in layer.executable_asset_keys]
    if to:
        keys = _up_to(graph, keys, to, job)
    known = months().get_partition_keys()
    wanted = [month for month in known if within is None or within[0] <= month <= within[1]]
    if not wanted:
        raise SettingsError(
            f"No month of {known[0]} to {known[-1]} lies in {within}.", remedy="Choose months of the period."
        )
    currency = Currency(whole_graph(), lake, structure, settings)
    failed = failed_checks(instance, graph, keys)
    reasons: dict[AssetKey, str] = {}
    stale: dict[AssetKey, set[str]] = {}
    for key in keys:
        reason, which = _why(currency, key, wanted, reasons, stale)
        if not reason and key in failed:
            reason, which = (
                f"check {failed[key]} did not pass",
                set(wanted) if graph.get(key).is_partitioned else which,
            )
        if reason:
            reasons[key], stale[key] = reason, which
    touched = sorted(set().union(*stale.values())) if stale else []
    span = (touched[0], touched[-1]) if touched else (wanted[-1], wanted[-1])
    return Plan(reasons, span, tuple(key for key in keys if key not in reasons))


def _why(
    currency: Currency,
    key: AssetKey,
    wanted: Sequence[str],
    reasons: Mapping[AssetKey, str],
    stale: Mapping[AssetKey, set[str]],
) -> tuple[str, set[str]]:
    """Why an asset is made again, and for which months; an empty reason when it is current."""
    graph = currency.graph
    parents = sorted(parent for parent in graph.get(key).parent_keys if parent in reasons)
    which: set[str] = set()
    reason = ""
    for month in currency.judged_partitions(key, wanted):
        if month is None:
            made = f"{asset_name(parents[0])} is made again" if parents else ""
            return made or currency.difference(key, None), which
        for parent in parents:
            changed = stale[parent] or set(wanted)
            if not graph.get(parent).is_partitioned or changed & set(currency.upstream_partitions(key, parent, month)):
                which.add(month)
                reason = reason or f"{asset_name(parent)} is made again"
        if month not in which and (differs := currency.difference(key, month)):
            which.add(month)
            reason = reason or differs
    return reason, which


def _up_to(
    graph: BaseAssetGraph,  # type: ignore[type-arg]
    keys: Sequence[AssetKey],
    to: Sequence[str],
    job: str,
) -> list[AssetKey]:
    """The assets named, and what they need."""
    front = [AssetKey(name.split("/")) for name in to]
    for goal in front:
        if goal not in keys:
            raise SettingsError(
                f"--to {asset_name(goal)} is not an asset of the job {job}.",
                remedy=f"Choose one of: {', '.join(asset_name(key) for key in keys)}.",
            )
    needed = set(front)
    while front:
        parents = graph.get(front.pop()).parent_keys - needed
        needed |= parents
        front += parents
    return [key for key in keys if key in needed]
