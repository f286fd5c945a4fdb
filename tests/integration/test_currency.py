"""What is out of date after a change upstream, and what is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from jobs.definitions import defs
from jobs.run import Outcome
from jobs.schedules import RANGE_END, RANGE_START
from resources.currency import Currency
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.structure import structure
from resources.whole_graph import whole_graph

MONTH = "2024-06"


@pytest.fixture
def currency(outcome: Outcome, tmp_path: Path) -> Currency:
    """The run's own graph over a copy of its lake, which a test may change."""
    assert outcome.errors == {}
    shutil.copytree(LakeResource().open().root, tmp_path / "lake")
    return Currency(whole_graph(), Lake(tmp_path / "lake"), structure(), structure().settings)


def recommit(currency: Currency, asset: str, partition: str | None, frame: pl.DataFrame) -> None:
    manifest = currency.lake.manifest(asset, partition)
    assert manifest is not None
    currency.lake.commit(asset, partition, frame, manifest.provenance)


def stale(currency: Currency, asset: str) -> dict[str, str]:
    """Months of an asset that are out of date, and why."""
    key = dg.AssetKey(asset.split("/"))
    found = {month: currency.difference(key, month) for month in currency.lake.partitions(asset)}
    return {month: reason for month, reason in found.items() if reason}


def test_all_is_current_after_the_run(currency: Currency) -> None:
    for asset in ("daily_bars", "universe", "features", "targets", "graphs"):
        assert stale(currency, asset) == {}
    assert currency.difference(dg.AssetKey("arrow_cache"), None) == ""


def test_a_calendar_that_grows_leaves_the_months_alone(currency: Currency) -> None:
    calendar = currency.lake.scan("trading_calendar").collect()
    more = pl.DataFrame({"Date": pl.date_range(date(2026, 1, 1), date(2026, 3, 31), eager=True)})
    grown = pl.concat([calendar, more.with_columns(HolDiv=pl.lit("1"))])
    recommit(currency, "trading_calendar", None, grown)
    assert stale(currency, "features") == {}
    assert currency.difference(dg.AssetKey("purged_folds"), None) == "input trading_calendar changed"


def test_a_calendar_that_changes_within_reach_does_not(currency: Currency) -> None:
    calendar = currency.lake.scan("trading_calendar").collect()
    closed = pl.when(pl.col("Date") == date(2024, 6, 12)).then(pl.lit("0")).otherwise(pl.col("HolDiv"))
    recommit(currency, "trading_calendar", None, calendar.with_columns(HolDiv=closed))
    assert stale(currency, "targets")[MONTH] == "input trading_calendar changed"
    assert "2024-05" in stale(currency, "targets")  # its labels reach into June
    assert "2024-04" not in stale(currency, "targets")


def test_revised_bars_reach_the_months_that_read_them(currency: Currency) -> None:
    bars = currency.lake.scan("daily_bars", [MONTH]).collect()
    recommit(currency, "daily_bars", MONTH, bars.with_columns(pl.col("C") * 1.01))
    assert set(stale(currency, "targets")) == {"2024-05", MONTH}
    assert min(stale(currency, "features")) == MONTH
    assert max(stale(currency, "features")) == "2024-12"  # warm-up windows
    assert stale(currency, "topix") == {}


def test_fetched_again_is_not_revised(currency: Currency) -> None:
    bars = currency.lake.scan("daily_bars", [MONTH]).collect()
    recommit(currency, "daily_bars", MONTH, bars.with_columns(pl.col("fetched_at") + pl.duration(days=1)))
    assert stale(currency, "features") == {}


def test_a_session_more_is_a_new_state_of_its_month_only(currency: Currency) -> None:
    earlier = replace(currency.structure, as_of=currency.structure.calendar.previous_session(structure().as_of))
    assert stale(replace(currency, structure=earlier), "daily_bars") == {"2024-12": "input source changed"}


def test_the_check_beside_each_asset_says_which_and_why(currency: Currency, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = currency.lake.scan("daily_bars", [MONTH]).collect()
    recommit(currency, "daily_bars", MONTH, bars.with_columns(pl.col("C") * 1.01))
    monkeypatch.setattr(LakeResource, "open", lambda self: currency.lake)
    check = dg.AssetCheckKey(dg.AssetKey("targets"), "inputs_are_current")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection={check})
    result = job.execute_in_process(instance=dg.DagsterInstance.get())
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.description == "2 of 32 out of date, first 2024-05: input daily_bars@2024-06 changed"


def test_an_asset_made_alone_has_the_provenance_that_a_whole_run_gives(outcome: Outcome) -> None:
    """From Dagster's page one asset is made without the others: nothing may look changed afterwards."""
    lake = LakeResource().open()
    before = {month: lake.manifest("features", month) for month in lake.partitions("features")}
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("features")})
    tags = {RANGE_START: "2024-11", RANGE_END: "2024-12"}
    assert job.execute_in_process(instance=dg.DagsterInstance.get(), tags=tags).success
    for month, manifest in before.items():
        again = lake.manifest("features", month)
        assert again is not None
        assert manifest is not None
        assert again.provenance == manifest.provenance
        assert again.content_hash == manifest.content_hash
        assert again.revision == manifest.revision + (month in ("2024-11", "2024-12"))
