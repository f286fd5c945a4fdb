"""Beside each asset's own checks: is what it committed still what would be made now? Nothing stale goes unsaid.

No postponed annotations here: Dagster compares the annotation of `context` itself, not its text.
"""

from collections.abc import Sequence

import dagster as dg

from assets.stage import months
from resources.currency import asset_name, difference, judged_partitions
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure

SHOWN = 12
"""Rows of the table of what is out of date."""


def currency_checks(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetChecksDefinition]:
    """`inputs_are_current` for each asset; it warns and does not block, since a rerun mends it."""
    return [_currency_check(asset) for asset in assets]


def _currency_check(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="inputs_are_current")
    def inputs_are_current(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, settings: SettingsResource
    ) -> dg.AssetCheckResult:
        """What is committed was made from the present settings, code, contract and inputs, every month of it."""
        graph, store, name = context.job_def.asset_layer.asset_graph, lake.open(), asset_name(asset.key)
        held = set(store.partitions(name))
        judged = judged_partitions(graph, asset.key, [key for key in months().get_partition_keys() if key in held])
        found = {
            part or "all": reason
            for part in judged
            if (reason := difference(graph, store, structure(), settings.load(), asset.key, part))
        }
        first = next(iter(found.items()), None)
        rows = [f"| {part} | {reason} |" for part, reason in list(found.items())[:SHOWN]]
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(found)} of {len(judged)} out of date, first {first[0]}: {first[1]}" if first else None,
            metadata={
                "judged": len(judged),
                "out_of_date": len(found),
                "why": dg.MetadataValue.md("\n".join(["| part | why |", "|---|---|", *rows])),
            },
        )

    return inputs_are_current
