"""Which input columns each feature is made from: measured by changing one input at a time, not declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

Lineage = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Feature -> upstream table -> its columns."""

FILE = "lineage.json"


@cache
def recorded_lineage() -> Lineage:
    """As `tests/properties/test_column_lineage.py` has measured it."""
    text = (resources.files("atft_pipeline.features") / FILE).read_text()
    return {
        feature: {table: tuple(columns) for table, columns in tables.items()}
        for feature, tables in json.loads(text).items()
    }
