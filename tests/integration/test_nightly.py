"""Three evenings of a market that grows by a session each: what is made again, what stays, what is appended."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from atft_pipeline.calendar import TOKYO
from atft_pipeline.champion import Champion
from atft_pipeline.training.trained_model import TrainedModel
from jobs.schedules import RANGE_END, RANGE_START, after_the_close
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.structure import structure
from tests.integration.processes import atft
from tests.tiny import TINY, assignments

EVENINGS = [date(2024, 12, 24), date(2024, 12, 25), date(2024, 12, 26)]
GROWING = [*assignments({**TINY, "period.sessions": None}), "period.data_start=2022-04-01"]


def evening(store: Path, session: date, *arguments: str) -> str:
    """A run after the close of `session`; what it says."""
    result = atft(store, *arguments, settings=[*GROWING, f"period.end={session}"])
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def revisions(lake: Lake, asset: str) -> dict[str, int]:
    """How often each month was committed."""
    manifests = {month: lake.manifest(asset, month) for month in lake.partitions(asset)}
    return {month: manifest.revision for month, manifest in manifests.items() if manifest is not None}


@pytest.mark.slow
def test_three_evenings(tmp_path: Path) -> None:
    evening(tmp_path, EVENINGS[0], "run")
    lake = Lake(tmp_path / "demo" / "lake")
    first_full = lake.read("fold_models/full", None, TrainedModel)
    fold, calendar = lake.manifest("fold_models/fold_0"), lake.manifest("trading_calendar")
    assert lake.read("champion_model", None, Champion).promotion.outcome == "promoted"
    before_retrain = lake.manifest("features", "2024-11")
    assert before_retrain is not None

    # the retrain: only months that the new session or its labels touch, only the model that goes live
    evening(tmp_path, EVENINGS[1], "run", "--job", "nightly_retrain")
    assert {month for month, n in revisions(lake, "features").items() if n == 2} == {"2024-11", "2024-12"}
    assert {month for month, n in revisions(lake, "targets").items() if n == 2} == {"2024-11", "2024-12"}
    november = lake.manifest("features", "2024-11")
    assert november is not None
    assert november.content_hash == before_retrain.content_hash
    assert lake.manifest("fold_models/fold_0") == fold
    assert lake.manifest("trading_calendar") == calendar
    second_full = lake.read("fold_models/full", None, TrainedModel)
    assert second_full.last_training_label == EVENINGS[1].isoformat()
    assert set(second_full.train_days) - set(first_full.train_days)
    champion = lake.read("champion_model", None, Champion)
    assert champion.promotion.reasons == ("every gate of a refresh holds over 5 sessions",)

    # signals only: no training, the champion of yesterday scores today
    full = lake.manifest("fold_models/full")
    evening(tmp_path, EVENINGS[2], "run", "--job", "nightly_signals")
    assert lake.manifest("fold_models/full") == full
    signals = lake.scan("daily_signals").collect()
    assert signals["Date"].unique().sort().to_list() == EVENINGS
    labels = signals.group_by("Date").agg(pl.col("last_training_label").first()).sort("Date")
    assert labels["last_training_label"].to_list() == [EVENINGS[0], EVENINGS[1], EVENINGS[1]]

    # the same evening once more: nothing to do, and nothing that was said is unsaid
    assert "daily_signals" not in evening(tmp_path, EVENINGS[2], "run", "--job", "nightly_signals").split("Top 10")[0]
    assert lake.scan("daily_signals").collect().equals(signals)

    # a month that was lost is made again by a backfill, to the same content
    before = lake.manifest("features", "2024-06")
    assert before is not None
    (tmp_path / "demo" / "lake" / "features" / "2024-06" / "manifest.json").unlink()
    evening(tmp_path, EVENINGS[2], "backfill", "features", "--from", "2024-06", "--to", "2024-06")
    after = lake.manifest("features", "2024-06")
    assert after is not None
    assert after.content_hash == before.content_hash


def tick(day: date) -> dg.RunRequest | dg.SkipReason:
    """What the schedule says at 19:30 Tokyo time."""
    at = datetime(day.year, day.month, day.day, 19, 30, tzinfo=TOKYO)
    context = dg.build_schedule_context(scheduled_execution_time=at, resources={"lake": LakeResource()})
    said = after_the_close(context)
    assert isinstance(said, dg.RunRequest | dg.SkipReason)
    return said


def test_the_schedule_runs_after_sessions_only(outcome: object) -> None:
    asked = tick(structure().as_of)
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == str(structure().as_of)
    assert asked.tags[RANGE_END] == f"{structure().as_of:%Y-%m}"
    for day, first in {
        date(2024, 12, 9): "2024-11",
        date(2024, 12, 10): "2024-12",
    }.items():  # 6 sessions: 29 Nov, 2 Dec
        later = tick(day)
        assert isinstance(later, dg.RunRequest)
        assert later.tags[RANGE_START] == first
    holiday = tick(date(2024, 11, 4))  # a Monday, substitute holiday
    assert isinstance(holiday, dg.SkipReason)
    assert "is no session" in str(holiday.skip_message)


def test_the_schedule_waits_for_the_first_research_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LakeResource, "open", lambda self: Lake(tmp_path))
    asked = tick(structure().as_of)
    assert isinstance(asked, dg.SkipReason)
    assert "atft run" in str(asked.skip_message)
