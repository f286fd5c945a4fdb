"""Which endpoints the settings need, and what can be left out where a source lacks one."""

from __future__ import annotations

from collections.abc import Iterable

from atft_pipeline.errors import EndpointMissing
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.settings import Settings

GRAPH = "the graph"
GRAPH_ENDPOINTS = ("daily_bars", "topix")
"""Edges are correlations of what is left of returns when the index has explained its part."""


def computable_families(offered: Iterable[str]) -> tuple[str, ...]:
    """Feature families whose endpoints are all offered, in the contract's order."""
    there = set(offered)
    return tuple(name for name in CONTRACT.families if set(CONTRACT.select([name]).endpoints) <= there)


def require_endpoints(settings: Settings, offered: Iterable[str]) -> None:
    """Refuse settings that need an endpoint which is not offered, before anything is computed.

    Raises:
        EndpointMissing: names the endpoint, the families that need it, and what to leave out.
    """
    there = set(offered)
    needed: dict[str, tuple[str, ...]] = {
        name: CONTRACT.select([name]).endpoints for name in settings.features.families if name in CONTRACT.families
    }
    if settings.model.graph.enabled:
        needed[GRAPH] = GRAPH_ENDPOINTS
    lacking = {who: [name for name in names if name not in there] for who, names in needed.items()}
    lacking = {who: names for who, names in lacking.items() if names}
    if not lacking:
        return
    missing = list(dict.fromkeys(name for names in lacking.values() for name in names))
    left = [name for name in settings.features.families if name not in lacking]
    without_graph = " --set model.graph.enabled=false" if GRAPH in lacking else ""
    files = " and ".join(f"{ENDPOINTS[name].file_stem}.parquet" for name in missing)
    leave_out = f"--set 'features.families={str(left).replace(chr(39), chr(34))}'{without_graph}"
    raise EndpointMissing(
        f"the source has no {', '.join(missing)}; needed by {', '.join(lacking)}.",
        remedy=f"Add {files}, or leave out what needs it: {leave_out}." if left else f"Add {files}.",
    )
