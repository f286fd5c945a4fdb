"""The home of a preset: Dagster's, the lake's and MLflow's folders beside each other, made on first use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from atft_pipeline.settings import Settings

TEMPLATE = Path(__file__).resolve().parent.parent / "deploy" / "dagster.yaml"


def prepare_home(settings: Settings) -> Path:
    """Create the preset's home and point DAGSTER_HOME at it; gives its absolute path."""
    home = settings.home.resolve()
    dagster = home / "dagster"
    for folder in (dagster, home / "lake", home / "mlflow"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(TEMPLATE, dagster / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(dagster)
    return home
