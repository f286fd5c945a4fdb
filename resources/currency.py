"""Is an artefact current? Its provenance, worked out from the asset graph, beside the one in its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import dagster as dg
import polars as pl
from dagster import AssetKey
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from atft_pipeline.settings import Settings
from resources.lake import Lake
from resources.manifest import Provenance, hash_table
from resources.structure import Structure, month_bounds

APPEND_METADATA = "atft/append"
DATE_METADATA = "atft/date_column"
SETTINGS_METADATA = "atft/settings"
ENDPOINT_METADATA = "atft/endpoint"


def asset_name(key: AssetKey) -> str:
    """The lake's name of an asset: its key with slashes."""
    return "/".join(key.path)


def shift_month(month: str, n: int) -> str:
    """The key of the month `n` months later."""
    ordinal = int(month[:4]) * 12 + int(month[5:7]) - 1 + n
    return f"{ordinal // 12:04d}-{ordinal % 12 + 1:02d}"


@dataclass(frozen=True)
class Currency:
    """What decides whether the artefacts of a graph are current.

    Attributes:
        graph: the assets, with what they depend on.
        lake: the manifests.
        structure: source, period and contract.
        settings: of the run.
    """

    graph: BaseAssetGraph  # type: ignore[type-arg]
    lake: Lake
    structure: Structure
    settings: Settings

    def provenance(self, key: AssetKey, partition: str | None) -> Provenance:
        """What an artefact made now would be made from: settings, code, contract and the inputs as they lie."""
        node = self.graph.get(key)
        inputs: dict[str, str] = {}
        endpoint = node.metadata.get(ENDPOINT_METADATA)
        if endpoint is not None:
            inputs["source"] = self._source_state(str(endpoint), partition)
        for parent in sorted(node.parent_keys):
            name = asset_name(parent)
            for upstream in self.upstream_partitions(key, parent, partition):
                manifest = self.lake.manifest(name, upstream)
                if manifest is not None:
                    inputs[f"{name}@{upstream}" if upstream else name] = manifest.content_hash
            column = self.graph.get(parent).metadata.get(DATE_METADATA)
            if name in inputs and partition and column:
                inputs[name] = self._hash_around(name, inputs[name], str(column), partition)
        sections = [str(section) for section in node.metadata.get(SETTINGS_METADATA, [])]
        return Provenance(
            settings_hash=self.settings.hash(sections),
            code_version=node.code_version or "",
            contract_hash=self.structure.contract.hash,
            inputs=inputs,
        )

    def difference(self, key: AssetKey, partition: str | None) -> str:
        """Why a committed artefact is not what would be made now, in words; empty when it is current."""
        name = asset_name(key)
        manifest = self.lake.manifest(name, partition)
        if manifest is None:
            return "never made"
        expected = self.provenance(key, partition)
        if self.lake.is_current(name, partition, expected):
            return ""
        return ", ".join(expected.differences(manifest.provenance)) or "its files are damaged"

    def judged_partitions(self, key: AssetKey, months: Sequence[str]) -> Sequence[str | None]:
        """Of the given months those that can be out of date: what is only appended to is judged by its latest."""
        node = self.graph.get(key)
        if not node.is_partitioned:
            return [None]
        return months[-1:] if node.metadata.get(APPEND_METADATA) else months

    def upstream_partitions(self, key: AssetKey, parent: AssetKey, partition: str | None) -> Iterable[str | None]:
        """Partitions of `parent` that one partition of `key` reads: a window of months, every month, or the whole."""
        if not self.graph.get(parent).is_partitioned:
            return [None]
        if partition is None:
            return self.lake.partitions(asset_name(parent))
        mapping = self.graph.get_partition_mapping(key, parent)
        back, ahead = (
            (mapping.start_offset, mapping.end_offset) if isinstance(mapping, dg.TimeWindowPartitionMapping) else (0, 0)
        )
        return [shift_month(partition, n) for n in range(back, ahead + 1)]

    def _source_state(self, endpoint: str, partition: str | None) -> str:
        """Changes with the source's rows of a month, up to the latest session; the calendar is cheap to read whole."""
        if partition is None:
            return hash_table(self.structure.calendar_rows())
        return self.structure.source.fingerprint(endpoint, *self.structure.days_of([partition]))

    def _hash_around(self, name: str, content_hash: str, column: str, month: str) -> str:
        """Hash of the rows of an unpartitioned table that one month can have used: warm-up, month, labels."""
        first = month_bounds(shift_month(month, -self.structure.warmup_months))[0]
        last = month_bounds(shift_month(month, self.structure.label_months))[1]
        return _hash_between(self.lake, name, content_hash, column, first, last)


@lru_cache(maxsize=4096)
def _hash_between(lake: Lake, name: str, content_hash: str, column: str, first: date, last: date) -> str:
    """`content_hash` is that of the whole table: a new version is hashed anew."""
    return hash_table(lake.scan(name).filter(pl.col(column).is_between(first, last)).collect())
