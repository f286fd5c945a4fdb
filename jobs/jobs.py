"""The jobs: which assets run together, and why."""

from __future__ import annotations

import dagster as dg

from assets.raw import CALENDAR, DATED
from resources.structure import structure


def offered_raw() -> dg.AssetSelection:
    """Raw assets of the endpoints that the source offers; the others stay in the graph, unmaterialized."""
    offered = structure().source.endpoints
    return dg.AssetSelection.assets(*(name for name in (CALENDAR, *DATED) if name in offered))


DATA = offered_raw() | dg.AssetSelection.assets("universe", "features", "targets")
PANEL = DATA | dg.AssetSelection.assets("normalization_stats", "arrow_cache", "graphs")
LIVE = dg.AssetSelection.assets("champion_model", "daily_signals")
FULL_MODEL = dg.AssetSelection.assets("fold_models/full")
EVIDENCE = dg.AssetSelection.groups("models") | dg.AssetSelection.assets("purged_folds", "baselines", "evaluation")

research = dg.define_asset_job(
    "research",
    PANEL | EVIDENCE | LIVE,
    description="Everything: data, all folds, baselines, evaluation, promotion, signals. On a change of recipe.",
)
nightly_retrain = dg.define_asset_job(
    "nightly_retrain",
    PANEL | FULL_MODEL | LIVE,
    description="Each session's evening: new data, labels that filled in, the live model fitted again, signals.",
)
nightly_signals = dg.define_asset_job(
    "nightly_signals",
    DATA | dg.AssetSelection.assets("normalization_stats", "arrow_cache", "graphs", "daily_signals"),
    description="New data and inference by the present champion; no training.",
)
backfill = dg.define_asset_job(
    "backfill",
    DATA | dg.AssetSelection.assets("graphs"),
    description="Monthly assets of a range of months, and nothing that is fitted.",
)

JOBS = [research, nightly_retrain, nightly_signals, backfill]
