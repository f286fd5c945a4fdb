"""How an asset of this project is declared: one decorator, so that every asset carries the same facts.

`settings` names the settings sections that decide the value; the code that does is found from the function itself
(`resources/code_version.py`). When one of them changes, the artefact is no longer current. `date_column` cuts a
partitioned table into months ("Date" unless told otherwise); of an unpartitioned table it says that a month downstream
uses only the rows around it.
"""

from __future__ import annotations

import functools
import inspect
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_type_hints

import dagster as dg

from atft_pipeline.calendar import TOKYO
from resources.code_version import code_version
from resources.currency import (
    APPEND_METADATA,
    DATE_METADATA,
    ENDPOINT_METADATA,
    SETTINGS_METADATA,
    asset_name,
    shift_month,
)
from resources.process_tuning import tune_process
from resources.progress import reporter
from resources.structure import structure

warnings.filterwarnings("ignore", category=dg.BetaWarning)

OWNERS = ["team:atft"]


def months() -> dg.MonthlyPartitionsDefinition:
    """The months of the structure. A live source goes on into the running month; a closed one ends with its data."""
    shape = structure()
    first = f"{shape.data_start:%Y-%m}"
    runs = shape.settings.period.end is None or f"{shape.as_of:%Y-%m}" == f"{datetime.now(TOKYO):%Y-%m}"
    if shape.settings.source.kind == "jquants" and runs:
        return dg.MonthlyPartitionsDefinition(start_date=first, fmt="%Y-%m", end_offset=1)
    after = shift_month(f"{shape.as_of:%Y-%m}", 1)
    return dg.MonthlyPartitionsDefinition(start_date=first, end_date=after, fmt="%Y-%m")


def window(back: int = 0, ahead: int = 0) -> dg.TimeWindowPartitionMapping:
    """Months of an upstream asset from `back` months before to `ahead` months after, where they exist."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-back, end_offset=ahead, allow_nonexistent_upstream_partitions=True
    )


def warm(key: str, ahead: int = 0) -> dg.AssetIn:
    """An upstream asset with the warm-up's months before the run's range."""
    return dg.AssetIn(key=key, partition_mapping=window(structure().warmup_months, ahead))


def stage(
    *,
    group: str,
    kinds: set[str],
    settings: Sequence[str] = (),
    partitioned: bool = False,
    date_column: str | None = None,
    endpoint: str | None = None,
    append: bool = False,
    name: str | None = None,
    key_prefix: str | None = None,
    ins: Mapping[str, dg.AssetIn] | None = None,
    pool: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset of the graph, timed and reported, with owners, code version and what its currency depends on."""
    metadata: dict[str, Any] = {SETTINGS_METADATA: list(settings)}
    if partitioned or date_column:
        metadata[DATE_METADATA] = date_column or "Date"
    if append:
        metadata[APPEND_METADATA] = True
    if endpoint is not None:
        metadata[ENDPOINT_METADATA] = endpoint

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            name=name,
            key_prefix=key_prefix,
            group_name=group,
            kinds=kinds,
            owners=OWNERS,
            code_version=code_version(function),
            metadata=metadata,
            partitions_def=months() if partitioned else None,
            backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
            ins=ins,
            pool=pool,
            description=description,
            tags=tags,
        )(_timed(function))

    return declare


def _timed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def body(context: dg.AssetExecutionContext, *args: Any, **kwargs: Any) -> Any:
        tune_process()
        reporter().begin(asset_name(context.asset_key))
        began = time.perf_counter()
        value = function(context, *args, **kwargs)
        context.add_output_metadata({"seconds": round(time.perf_counter() - began, 3)})
        return value

    # Dagster compares the annotation of `context` itself, not its text, so the texts are resolved here.
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in signature.parameters.values()]
    body.__signature__ = signature.replace(parameters=parameters, return_annotation=hints["return"])  # type: ignore[attr-defined]
    body.__annotations__ = hints
    return body
