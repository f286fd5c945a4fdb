"""A session without rows stops the run and says what to do; one that was named as absent is a note on every figure."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import raw
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.settings import load_settings
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.manifest import Provenance
from resources.structure import Structure, resolve
from tests.tiny import TINY

ORIGIN = Provenance(settings_hash="s", code_version="c", contract_hash="k", inputs={})
ABSENT = date(2024, 7, 11)


def shape_of(*absent: date) -> Structure:
    return resolve(load_settings("demo", {**TINY, "source.absent_sessions": list(absent)}, environ={}))


def nothing_is_missing(lake: Lake, shape: Structure, monkeypatch: pytest.MonkeyPatch) -> dg.AssetCheckResult:
    monkeypatch.setattr(raw, "structure", lambda: shape)
    monkeypatch.setattr(LakeResource, "open", lambda self: lake)
    result = raw.completeness_check(ENDPOINTS["topix"])(LakeResource())
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_a_session_without_rows_blocks_until_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = shape_of()
    source = SimulatedSource(shape.settings.source.simulator)
    rows = to_typed(source.fetch("topix", date.min, date.max), ENDPOINTS["topix"]).frame
    lake = Lake(tmp_path)
    lake.commit("topix", "2024-12", rows.filter(pl.col("Date") != ABSENT), ORIGIN)

    refused = nothing_is_missing(lake, shape, monkeypatch)
    assert (refused.passed, refused.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert refused.description == (
        "lost: 1 (2024-07-11). Get them, or name the sessions that the source will never have in source.absent_sessions"
    )
    assert nothing_is_missing(lake, shape_of(ABSENT), monkeypatch).passed
    assert not nothing_is_missing(lake, shape_of(date(2024, 7, 12)), monkeypatch).passed


def test_what_was_named_is_told_with_every_figure() -> None:
    told = "Sessions that the source lacks, and was told to lack: 2024-07-11."
    assert told in shape_of(ABSENT).notes
    assert not any("told to lack" in note for note in shape_of().notes)
