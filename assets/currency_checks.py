"""Beside each asset's own checks: is what it committed still what would be made now? Nothing stale goes unsaid."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.stage import months
from resources import display
from resources.currency import Currency, asset_name
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure
from resources.whole_graph import whole_graph

SHOWN = 12
"""Rows of the table of what is out of date."""


def currency_checks(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetChecksDefinition]:
    """`inputs_are_current` for each asset; it warns and does not block, since a rerun mends it."""
    return [_currency_check(asset) for asset in assets]


def _currency_check(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="inputs_are_current")
    def inputs_are_current(lake: LakeResource, settings: SettingsResource) -> dg.AssetCheckResult:
        """What is committed was made from the present settings, code, contract and inputs, every month of it."""
        store = lake.open()
        currency = Currency(whole_graph(), store, structure(), settings.load())
        held = set(store.partitions(asset_name(asset.key)))
        judged = currency.judged_partitions(asset.key, [key for key in months().get_partition_keys() if key in held])
        reasons = {part or "all": currency.difference(asset.key, part) for part in judged}
        found = {part: reason for part, reason in reasons.items() if reason}
        first = next(iter(found.items()), None)
        rows = pl.DataFrame({"part": list(found), "why": list(found.values())}).head(SHOWN)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(found)} of {len(judged)} out of date, first {first[0]}: {first[1]}" if first else None,
            metadata={
                "judged": len(judged),
                "out_of_date": len(found),
                **({"why": display.table(rows)} if found else {}),
            },
        )

    return inputs_are_current
