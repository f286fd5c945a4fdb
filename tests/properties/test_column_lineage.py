"""Lineage is what changes what: each input column is changed by itself, and the features that move are its heirs."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_pipeline.features import lineage
from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import CONTRACT
from tests.full_market import full_market

KEYS = ("Date", "Code", "reason", "in_universe", "fetched_at")
"""Not values: what a row is about, and what a person reads."""

TABLES = tuple(dict.fromkeys([*CONTRACT.endpoints, "universe"]))
INPUTS = tuple(table for table in TABLES if table != "equities_master")  # that comes through the universe


@cache
def features(table: str = "", column: str = "") -> pl.DataFrame:
    """More than a year of features, one input column changed."""
    market = full_market()
    tables, universe = dict(market.tables), market.universe
    if table == "universe":
        universe = changed(universe, column)
    elif table:
        tables[table] = changed(tables[table], column)
    lazy = {name: frame.lazy() for name, frame in tables.items()}
    families = [c.family for c in CONTRACT.columns if not table or table == "universe" or table in c.endpoints]
    first, last = market.sessions[-340], market.sessions[-1]
    return compute_features(lazy, universe.lazy(), dict.fromkeys(families), first, last).collect()


def changed(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Other values of the same kind in one column, and holes in it; null stays null."""
    rng, values = np.random.default_rng(3), frame[column]
    if values.dtype == pl.Date:
        return frame.with_columns(
            pl.col(column) + pl.duration(days=pl.lit(pl.Series(rng.integers(-150, 150, frame.height))))
        )
    if values.dtype.is_numeric():
        factor = pl.Series(rng.uniform(0.3, 3.0, frame.height))
        other = values * factor + pl.Series(rng.uniform(0.0, 0.1, frame.height))
        return frame.with_columns(other.set(pl.Series(rng.random(frame.height) < 0.05), None).alias(column))
    order = rng.permutation(frame.height)
    if values.dtype == pl.Boolean:
        return frame.with_columns(~pl.col(column))
    if isinstance(values.dtype, pl.Struct):
        flipped = [values.struct.field(name).replace({"0": "1", "1": "0"}) for name in values.struct.fields]
        return frame.with_columns(pl.DataFrame(flipped).to_struct(column))
    if values.n_unique() <= 2 and set(values.drop_nulls()) <= {"0", "1"}:
        return frame.with_columns(values.replace({"0": "1", "1": "0"}).alias(column))
    return frame.with_columns(values.gather(order).alias(column))


def heirs(table: str) -> dict[str, set[str]]:
    """Features that move, by column of the table."""
    frame = full_market().universe if table == "universe" else full_market().tables[table]
    found: dict[str, set[str]] = {}
    for column in frame.columns:
        if column in KEYS or frame[column].null_count() == frame.height:
            continue
        moved, still = features(table, column), features()
        found[column] = {
            name for name in moved.columns if name not in KEYS and not moved[name].equals(still[name], null_equal=True)
        }
    return found


@pytest.mark.slow
@pytest.mark.parametrize("table", INPUTS)
def test_the_lineage_on_record_is_the_one_that_is_measured(table: str, request: pytest.FixtureRequest) -> None:
    measured = heirs(table)
    path = Path(lineage.__file__).with_name(lineage.FILE)
    if request.config.getoption("--update-snapshot"):
        record(path, table, measured)
        lineage.recorded_lineage.cache_clear()
    on_record = {
        column: {feature for feature, tables in lineage.recorded_lineage().items() if column in tables.get(table, ())}
        for column in measured
    }
    assert measured == on_record


def record(path: Path, table: str, measured: dict[str, set[str]]) -> None:
    """Replace one table's part of the record."""
    known: dict[str, dict[str, list[str]]] = json.loads(path.read_text()) if path.exists() else {}
    merged: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for feature, tables in known.items():
        merged[feature] |= {name: columns for name, columns in tables.items() if name != table}
    for column, moved in measured.items():
        for feature in moved:
            merged[feature].setdefault(table, []).append(column)
    ordered = {name: dict(sorted(merged[name].items())) for name in CONTRACT.names if name in merged}
    path.write_text(json.dumps(ordered, indent=1) + "\n")


def test_every_feature_has_ancestors_and_none_beyond_its_endpoints() -> None:
    known = lineage.recorded_lineage()
    for column in CONTRACT.columns:
        tables = set(known[column.name])
        assert tables, column.name
        assert tables - {"universe", "trading_calendar"} <= set(column.endpoints), column.name
