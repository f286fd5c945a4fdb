"""What the settings need of a source: endpoints, and sessions enough; and what can be left out where it lacks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from atft_pipeline.errors import EndpointMissing, SettingsError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.settings import Settings

GRAPH = "the graph"
GRAPH_ENDPOINTS = ("daily_bars", "topix")
"""Edges are correlations of what is left of returns when the index has explained its part."""

MIN_SESSIONS = 60
"""Sessions that must follow the warm-up: fewer hold no folds."""


def warmup_sessions(settings: Settings) -> int:
    """The longest look-back of any stage, in sessions."""
    return max(CONTRACT.select(settings.features.families).warmup, settings.graph.window)


def without_unserved(settings: Settings, served: Iterable[str]) -> Settings:
    """The settings without the feature families whose endpoints are not served, as a plan of the API may want it.

    Raises:
        EndpointMissing: no family is left.
    """
    can = computable_families(served)
    left = [name for name in settings.features.families if name in can or name not in CONTRACT.families]
    if not left:
        require_endpoints(settings, served)
    features = settings.features.model_copy(update={"families": tuple(left)})
    return settings.model_copy(update={"features": features})


def require_sessions(settings: Settings, sessions: Sequence[date]) -> None:
    """Refuse a period that is too short, before anything is computed.

    Args:
        settings: graph and feature families, which fix the warm-up.
        sessions: of the period, the warm-up among them, in order.

    Raises:
        SettingsError: fewer than `MIN_SESSIONS` would follow the warm-up.
    """
    warmup = warmup_sessions(settings)
    if len(sessions) < warmup + MIN_SESSIONS:
        between = f" between {sessions[0]} and {sessions[-1]}" if sessions else ""
        raise SettingsError(
            f"the source holds {len(sessions)} sessions of the period{between}; the warm-up takes {warmup} and at least"
            f" {MIN_SESSIONS} must follow.",
            remedy="Give more history, or shorten graph.window and leave out long-memory feature families.",
        )


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
