"""The composition root: everything that Dagster sees, bound together and nothing else."""

from __future__ import annotations

import dagster as dg

from assets import (
    arrow_cache,
    baselines,
    champion_model,
    daily_signals,
    evaluation,
    features,
    fold_models,
    graphs,
    normalization_stats,
    purged_folds,
    raw,
    targets,
    universe,
)
from assets.currency_checks import currency_checks
from jobs.jobs import JOBS
from jobs.schedules import SCHEDULES
from jobs.sensors import SENSORS
from resources.compute_device import ComputeDevice
from resources.io_manager import LakeIOManager, LakeResource
from resources.market_data import MarketData
from resources.mlflow_tracking import MLflowTracking
from resources.settings import SettingsResource
from resources.whole_graph import publish_graph

STAGES = (
    raw,
    universe,
    features,
    targets,
    normalization_stats,
    arrow_cache,
    graphs,
    purged_folds,
    fold_models,
    baselines,
    evaluation,
    champion_model,
    daily_signals,
)

settings, lake, tracking = SettingsResource(), LakeResource(), MLflowTracking()

defs = dg.Definitions(
    assets=[asset for stage in STAGES for asset in stage.ASSETS],
    asset_checks=[check for stage in STAGES for check in (*stage.CHECKS, *currency_checks(stage.ASSETS))],
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    executor=dg.in_process_executor,  # as `atft run`: a process per step costs seconds each and doubles the memory
    resources={
        "settings": settings,
        "lake": lake,
        "tracking": tracking,
        "market_data": MarketData(),
        "device": ComputeDevice(),
        "io_manager": LakeIOManager(lake=lake, settings=settings, tracking=tracking),
    },
)
publish_graph(defs.resolve_asset_graph)
