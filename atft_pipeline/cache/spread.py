"""Which columns of the day store say the same of every stock: what a model cannot rank by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.features.contract import Contract

MAX_DEAD_SHARE = 0.05
"""Share of sessions on which a dense column may be without spread."""


def columns_without_spread(cache: ArrowCache, contract: Contract, days: Sequence[date]) -> dict[str, float]:
    """Columns over stocks or sectors whose values do not differ between the stocks of too many sessions.

    As stored, that is after normalization: the fault this looks for (every z-score 0) arises there. A dense column
    may be without spread on 5% of the sessions; a sparse one on the share that its contract leaves inactive.

    Args:
        cache: the store.
        contract: its columns.
        days: sessions to judge, after the warm-up.

    Returns:
        Share of sessions without spread, by column, for the columns over their limit.
    """
    flat = np.zeros(len(cache.feature_names))
    judged = 0
    for day in days:
        members = cache.window(day, 1)[0, cache.mask(day)]
        if len(members) > 1:
            flat += members.min(axis=0) == members.max(axis=0)
            judged += 1
    share = flat / max(1, judged)
    limits = [max(MAX_DEAD_SHARE, 1.0 - column.min_active_share) for column in contract.columns]
    return {
        column.name: float(share[f])
        for f, column in enumerate(contract.columns)
        if column.scope in ("stock", "sector") and share[f] > limits[f]
    }
