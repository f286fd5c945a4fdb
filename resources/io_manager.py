"""The one IO manager: tables and artefacts go to the lake, month by month, and MLflow hears of each commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from atft_pipeline.errors import LakeError
from atft_pipeline.jquants.endpoints import ENDPOINTS
from resources import display
from resources.currency import APPEND_METADATA, DATE_METADATA, Currency, asset_name
from resources.lake import Lake
from resources.manifest import Manifest, Provenance, hash_of_all
from resources.mlflow_tracking import MLflowTracking
from resources.months import MonthByMonth
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import month_bounds, structure
from resources.whole_graph import whole_graph

PREVIEW_ROWS, PREVIEW_COLUMNS = 5, 8
"""How much of a table its page shows."""


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Gives assets and checks the lake of this deployment."""

    def open(self) -> Lake:
        """The lake under the preset's home."""
        return Lake(structure().settings.home / "lake")


class LakeIOManager(dg.ConfigurableIOManager):
    """Writes what an asset returns and reads what it asks for; the type of a parameter decides the form.

    A `pl.LazyFrame` or `pl.DataFrame` is a table over the partitions that the mapping names; any other type has
    `save` and `load`. A table of a partitioned asset is cut into months by its date column; rows outside the run's
    range are refused. Months that come one by one are written as they come and become present together. A dictionary
    of tables is appended by name to its month.
    """

    lake: LakeResource
    settings: SettingsResource
    tracking: MLflowTracking

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Commit each partition, then add metadata and log a child run."""
        lake, name = self.lake.open(), asset_name(context.asset_key)
        currency = Currency(whole_graph(), lake, structure(), self.settings.load())

        def origin(partition: str | None) -> Provenance:
            return currency.provenance(context.asset_key, partition)

        if context.definition_metadata.get(APPEND_METADATA):
            added = self._added(context, obj)
            manifests = [
                lake.append(name, month, tables, origin(month), run_id=context.run_id)
                for month, tables in added.items()
            ]
        elif isinstance(obj, MonthByMonth):
            # The state of a source is that from before it is asked: what appears meanwhile was not seen.
            origins = {month: origin(month) for month in obj.months}
            parts = ((month, rows, origins[month]) for month, rows in obj)
            manifests = lake.commit_all(name, parts, run_id=context.run_id)
        else:
            made = ((partition, value, origin(partition)) for partition, value in self._parts(context, obj))
            manifests = lake.commit_all(name, made, run_id=context.run_id)
        metadata = _metadata(lake, manifests)
        if isinstance(obj, MonthByMonth):
            metadata |= obj.metadata()
        folder = lake.file(name, manifests[-1].partition)
        url = self.tracking.log_materialization(context, name, obj, manifests, folder)
        if isinstance(obj, pl.DataFrame | MonthByMonth):
            shown = (
                obj if isinstance(obj, pl.DataFrame) else lake.scan(name, [obj.months[-1]]).head(PREVIEW_ROWS).collect()
            )
            metadata["first_rows"] = display.table(shown[:PREVIEW_ROWS, :PREVIEW_COLUMNS])
        context.add_output_metadata({**metadata, "mlflow_run": dg.MetadataValue.url(url)})
        reporter().end(name, _summary(manifests))
        captured = context.step_context.output_capture
        if captured is not None:
            captured.clear()  # `execute_in_process` would hold every table of the run until its end

    def load_input(self, context: dg.InputContext) -> Any:
        """Read verified files; a missing month between existing ones is an error.

        A raw table that the source does not offer is empty: `resolve` has refused the families that need it.
        """
        lake, name = self.lake.open(), asset_name(context.asset_key)
        kind = context.dagster_type.typing_type
        if name in ENDPOINTS and name not in structure().source.endpoints:
            nothing = pl.DataFrame(schema=ENDPOINTS[name].schema)
            return nothing.lazy() if kind is pl.LazyFrame else nothing
        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else None
        if kind in (pl.LazyFrame, pl.DataFrame):
            frame = lake.scan(name, partitions)
            return frame if kind is pl.LazyFrame else frame.collect()
        return lake.read(name, None, kind)

    def _added(
        self, context: dg.OutputContext, tables: Mapping[str, pl.DataFrame]
    ) -> dict[str, dict[str, pl.DataFrame]]:
        """Tables by month. Months without anything to add stay as they are; the latest says what it was judged by."""
        keys = list(context.asset_partition_keys)
        by_month = {key: {name: table for name, table in tables.items() if name.startswith(key)} for key in keys}
        return {key: added for key, added in by_month.items() if added or key == keys[-1]}

    def _parts(self, context: dg.OutputContext, obj: Any) -> Iterable[tuple[str | None, Any]]:
        if not context.has_asset_partitions:
            return [(None, obj)]
        keys = list(context.asset_partition_keys)
        column = str(context.definition_metadata[DATE_METADATA])
        first, last = month_bounds(keys[0])[0], month_bounds(keys[-1])[1]
        outside = obj.filter(~pl.col(column).is_between(first, last) | pl.col(column).is_null()).height
        if outside:
            raise LakeError(
                f"{asset_name(context.asset_key)}: {outside} rows have a {column} outside {first} to {last}.",
                remedy="The asset must return rows of the run's months only.",
            )
        # a generator: beside the whole table, memory holds one month of it
        return ((key, obj.filter(pl.col(column).is_between(*month_bounds(key)))) for key in keys)


def _metadata(lake: Lake, manifests: list[Manifest]) -> dict[str, Any]:
    last = manifests[-1]
    folder = lake.file(last.asset, last.partition).resolve()
    pages = [name for name in last.files if name.endswith(".html")]
    found: dict[str, Any] = {
        "path": dg.MetadataValue.path(str(folder)),
        **{name.removesuffix(".html"): dg.MetadataValue.path(str(folder / name)) for name in pages},
        "megabytes": round(sum(manifest.size for manifest in manifests) / 1e6, 3),
        "content_hash": hash_of_all(manifests),
    }
    if last.rows is not None:
        found["dagster/row_count"] = sum(manifest.rows or 0 for manifest in manifests)
        found["dagster/column_schema"] = dg.TableSchema(
            [dg.TableColumn(name, dtype) for name, dtype in last.columns.items()]
        )
    if last.partition is not None:
        found["partitions"] = len(manifests)
    return found


def _summary(manifests: list[Manifest]) -> str:
    size = f"{sum(manifest.size for manifest in manifests) / 1e6:.1f} MB"
    parts = [size]
    if manifests[-1].rows is not None:
        parts.insert(0, f"{sum(manifest.rows or 0 for manifest in manifests):,} rows")
    if manifests[-1].partition is not None:
        parts.insert(0, f"{len(manifests)} months")
    return ", ".join(parts)
