"""Where a fit that is killed goes on: a folder for exactly what it is made from."""

from __future__ import annotations

from pathlib import Path

from dagster import AssetKey

from atft_pipeline.settings import Settings
from resources.currency import Currency, asset_name
from resources.lake import Lake
from resources.structure import structure
from resources.whole_graph import whole_graph


def checkpoints(key: AssetKey, lake: Lake, settings: Settings) -> Path:
    """The folder of an asset's present provenance: after a change of code, settings or inputs nothing is continued."""
    currency = Currency(whole_graph(), lake, structure(), settings)
    return lake.checkpoints(asset_name(key), currency.provenance(key, None))
