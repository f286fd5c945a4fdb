"""The leak scan as a check: what it saw is shown whether it passes or not, and a leak blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets import arrow_cache as arrow_cache_module
from assets.arrow_cache import no_column_knows_the_future
from atft_pipeline.cache import ArrowCache
from atft_pipeline.features.contract import Contract
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.manifest import Provenance
from resources.settings import SettingsResource
from resources.structure import structure
from tests.unit.assets.told import told
from tests.unit.cache.world import CONTRACT, scratch_file, small_settings
from tests.unit.evaluation.leak_worlds import DEGREES, graded_world, honest_world, strengths_by_loops

LIMIT = 0.5
"""Above every degree but that of a leak."""

Check = Callable[[ArrowCache, Contract], dg.AssetCheckResult]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """The check itself, on a cache that is committed to a lake."""
    lake = Lake(tmp_path)

    def judged(cache: ArrowCache, contract: Contract) -> dg.AssetCheckResult:
        shape = replace(structure(), contract=contract, start=cache.days[0])
        monkeypatch.setattr(arrow_cache_module, "structure", lambda: shape)
        monkeypatch.setattr(LakeResource, "open", lambda self: lake)
        origin = Provenance(settings_hash="s", code_version="c", contract_hash=contract.hash, inputs={})
        lake.commit("arrow_cache", None, cache, origin)
        settings = SettingsResource(overrides={"evaluation.max_column_rank_ic": LIMIT})
        result = no_column_knows_the_future(LakeResource(), settings)
        assert isinstance(result, dg.AssetCheckResult)
        return result

    return judged


def test_the_ten_strongest_columns_are_shown(check: Check) -> None:
    world = graded_world()
    rows = told(check(world.write(scratch_file()), world.contract), "strongest_columns")
    expected = strengths_by_loops(world)[:10]
    assert len(rows) == 10 < len(DEGREES)
    assert [(row["column"], row["target"]) for row in rows] == [(s.column, s.target) for s in expected]
    figures = [tuple(float(row[name]) for name in ("rank_ic", "lagged_rank_ic", "days_above")) for row in rows]
    for got, s in zip(figures, expected, strict=True):
        assert got == pytest.approx((s.rank_ic, s.lagged_rank_ic, s.days_above), abs=5.1e-5)


def test_they_are_shown_when_nothing_is_suspected(check: Check) -> None:
    result = check(honest_world().write(scratch_file(), small_settings()), CONTRACT)
    assert result.passed
    assert result.metadata["suspects"].value == 0
    assert len(told(result, "strongest_columns")) == len(CONTRACT.of(scopes=["stock"])) == 6


def test_a_target_with_noise_blocks_and_leads_the_table(check: Check) -> None:
    world, leak = graded_world(leak=1.0), list(DEGREES)[-1]
    result = check(world.write(scratch_file()), world.contract)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (result.description or "").startswith(leak)
    assert told(result, "what")[0]["column"] == told(result, "strongest_columns")[0]["column"] == leak
