"""The asset graph of the whole code location. A step knows only the part of it that its run selected.

What an artefact was made from must not depend on what else a run makes, so provenance is worked out on the whole graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

_resolve: list[Callable[[], BaseAssetGraph]] = []  # type: ignore[type-arg]


def publish_graph(resolve: Callable[[], BaseAssetGraph]) -> None:  # type: ignore[type-arg]
    """Called once, by the composition root, with what gives the graph when it is first needed."""
    _resolve[:] = [resolve]
    whole_graph.cache_clear()


@cache
def whole_graph() -> BaseAssetGraph:  # type: ignore[type-arg]
    """The graph that the composition root published."""
    (resolve,) = _resolve
    return resolve()
