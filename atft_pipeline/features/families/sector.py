"""One stock and its industry, by the 33 sectors (S33) and the 17 (S17). Industry figures leave the stock itself out.

Peers are the other members of universe(t) with the same code on t; past figures are those of TODAY's peers, so the
universe of earlier days is not needed. Missing data: null with fewer than 2 peers (z: 3) that have a value.
From a master snapshot that is stretched over earlier dates S33 and S17 may be used, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from atft_pipeline.features.column import Column, Feature, Kind, Scope
from atft_pipeline.features.cross_section import Groups
from atft_pipeline.features.families.volatility import volatility
from atft_pipeline.features.panel import STALE_AFTER, Panel
from atft_pipeline.features.windows import Array

Level = Literal["s33", "s17"]


def groups(panel: Panel, level: Level) -> Groups:
    """The classification's groups on each day."""
    return panel.once(("groups", level), lambda: Groups(panel.s33 if level == "s33" else panel.s17, panel.member))


def peer_return(panel: Panel, *, level: Level, sessions: int) -> Array:
    """Mean past return of the peers."""
    past = panel.prices.past_return(sessions)
    return panel.once(("peer_return", level, sessions), lambda: groups(panel, level).peer_mean(past))


def relative_return(panel: Panel, *, level: Level, sessions: int) -> Array:
    """Own past return minus the peers' mean."""
    return panel.prices.past_return(sessions) - peer_return(panel, level=level, sessions=sessions)


def sector_rank(panel: Panel, *, level: Level) -> Array:
    """Place of the own 20-session return in the group, 0..1."""
    return groups(panel, level).rank(panel.prices.past_return(20))


def sector_z(panel: Panel, *, level: Level) -> Array:
    """Own 20-session return in the peers' standard deviations from their mean."""
    return groups(panel, level).peer_z(panel.prices.past_return(20))


def peer_volatility(panel: Panel, *, level: Level) -> Array:
    """Mean 20-session volatility of the peers."""
    return groups(panel, level).peer_mean(volatility(panel, sessions=20))


def breadth(panel: Panel, *, level: Level) -> Array:
    """Share of the peers whose 20-session return is positive."""
    past = panel.prices.past_return(20)
    return groups(panel, level).peer_mean(np.where(np.isnan(past), np.nan, past > 0))


def group_size(panel: Panel, *, level: Level) -> Array:
    """Log of the number of members."""
    return np.log(groups(panel, level).size())


def _feature(
    level: Level,
    name: str,
    compute: Callable[[Panel], Array],
    formula: str,
    warmup: int,
    valid_range: tuple[float, float],
    *,
    scope: Scope = "sector",
    kind: Kind = "robust_z",
) -> Feature:
    column = Column(
        name=f"{level}_{name}",
        family="sector",
        dtype="Float32",
        scope=scope,
        kind=kind,
        valid_range=valid_range,
        max_null_share=0.25,
        min_active_share=0.95,
        warmup=warmup,
        endpoints=("equities_master",) if name == "size" else ("equities_master", "daily_bars"),
        formula=formula,
        as_of="bars with Date <= t, master valid for t",
    )
    return Feature(column, compute)


MONTH = 20 + STALE_AFTER
"""Warm-up of the 20-session return and of the 20-session volatility."""


def _of_the_peers(level: Level) -> tuple[Feature, ...]:
    feature, mean = partial(_feature, level), partial(peer_return, level=level)
    volatile, broad, size = (partial(function, level=level) for function in (peer_volatility, breadth, group_size))
    return (
        feature("return_1", partial(mean, sessions=1), "mean return_1 of the peers", 1 + STALE_AFTER, (-0.9, 4.0)),
        feature("return_5", partial(mean, sessions=5), "mean return_5 of the peers", 5 + STALE_AFTER, (-0.9, 9.0)),
        feature(
            "momentum_60", partial(mean, sessions=60), "mean return_60 of the peers", 60 + STALE_AFTER, (-0.95, 49.0)
        ),
        feature("volatility_20", volatile, "mean volatility_20 of the peers", MONTH, (0.0, 1.0)),
        feature("breadth_20", broad, "share of the peers with return_20 > 0", MONTH, (0.0, 1.0), kind="rank_gauss"),
        feature("size", size, "ln(members of the group in universe(t))", 0, (0.0, 9.0), kind="rank_gauss"),
    )


def _within_the_group(level: Level) -> tuple[Feature, ...]:
    feature, relative = partial(_feature, level, scope="stock"), partial(relative_return, level=level)
    rank, z = partial(sector_rank, level=level), partial(sector_z, level=level)
    return (
        feature(
            "relative_1", partial(relative, sessions=1), "return_1 - mean of the peers", 1 + STALE_AFTER, (-31.0, 31.0)
        ),
        feature("relative_20", partial(relative, sessions=20), "return_20 - mean of the peers", MONTH, (-199.0, 199.0)),
        feature("rank_20", rank, "(rank of return_20 in the group - 1) / (members - 1)", MONTH, (0.0, 1.0)),
        feature("z_20", z, "(return_20 - mean of the peers) / std of the peers", MONTH, (-1000.0, 1000.0)),
    )


FEATURES: tuple[Feature, ...] = (
    *_of_the_peers("s33"),
    *_within_the_group("s33"),
    *_of_the_peers("s17"),
    *_within_the_group("s17"),
)
