"""The doctor tells what a folder holds and what it lacks, and raises nothing over what it finds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_pipeline.doctor import Checkup, check_folder
from atft_pipeline.errors import EndpointMissing, SourceError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.needs import computable_families, require_endpoints
from atft_pipeline.settings import load_settings
from tests.unit.jquants.folders import write, write_bars, write_market
from tests.unit.jquants.markets import SMALL

BARS = "equities_bars_daily_2022.parquet"


SHORT = {"features.families": ["liquidity"], "graph.window": 90, "graph.min_common": 60}
"""Settings whose warm-up of 90 sessions fits into the small market."""


def check(folder: Path, **overrides: object) -> Checkup:
    settings = load_settings("tse", {"source.path": str(folder), **SHORT, **overrides}, environ={})
    return check_folder(settings, date(2022, 6, 30))


def test_a_good_folder_is_usable(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    settings = load_settings("tse", {"source.path": str(write_market(tmp_path)), **SHORT}, environ={})
    checkup = check_folder(settings, date(2022, 6, 30), lambda *step: steps.append(step))
    assert checkup.usable
    assert [health.name for health in checkup.endpoints] == list(ENDPOINTS)
    bars = next(health for health in checkup.endpoints if health.name == "daily_bars")
    made = SimulatedSource(SMALL).fetch("daily_bars", date(2000, 1, 1), date(2050, 1, 1))
    assert (bars.files, bars.formats, bars.rows) == (2, (".parquet",), made.height)
    assert (bars.first, bars.last) == (SimulatedSource(SMALL).first_session(), SMALL.last_session)
    assert bars.codes == made["Code"].n_unique()
    assert (checkup.sessions, checkup.warmup, checkup.wanted, checkup.silent) == (160, 90, 735, ())
    assert (checkup.absent, checkup.stretched, checkup.families) == ((), False, CONTRACT.families)
    assert ("daily_bars", 2, 2) in steps


def test_everything_that_is_bad_is_told_together(tmp_path: Path) -> None:
    write_market(tmp_path)
    (tmp_path / "equities_master.parquet").unlink()
    (tmp_path / "indices_bars_daily_topix.parquet").unlink()
    rows = pl.read_parquet(tmp_path / BARS).with_row_index("i")
    first = pl.col("i") == 0
    rows.with_columns(H=pl.when(first).then(0.5).otherwise("H")).drop("i").write_parquet(tmp_path / BARS)
    statements = tmp_path / "fins_summary.parquet"
    statements.write_bytes(statements.read_bytes()[:-100])
    checkup = check(tmp_path, **{"features.families": list(CONTRACT.families)})
    assert not checkup.usable
    said = [str(problem) for problem in checkup.problems]
    assert any("holds no equities_master.parquet" in text for text in said)
    assert any("topix; needed by market, cross_market, the graph" in text for text in said)
    found = [str(problem) for health in checkup.endpoints for problem in health.findings.problems]
    assert any(text.startswith(f"{BARS}, column H, row 1: H 0.5 is below L") for text in found)
    assert any(text.startswith("fins_summary.parquet: is not readable as Parquet") for text in found)
    assert checkup.families == computable_families(set(ENDPOINTS) - {"equities_master", "topix"})
    assert not {"liquidity", "market", "cross_market", "sector"} & set(checkup.families)


def test_a_stretched_master_and_a_silent_session_are_told(tmp_path: Path) -> None:
    write_market(tmp_path)
    snapshot = SimulatedSource(SMALL).fetch("equities_master", SMALL.last_session, SMALL.last_session)
    write(tmp_path, "equities_master", snapshot)
    bars = pl.read_parquet(tmp_path / BARS)
    bars.filter(pl.col("Date") != "2022-03-01").write_parquet(tmp_path / BARS)
    checkup = check(tmp_path)
    assert checkup.usable
    assert checkup.stretched
    assert checkup.silent == (date(2022, 3, 1),)
    assert any(note.startswith("Survivorship") for note in checkup.notes)


def test_a_period_that_is_too_short_is_a_problem(tmp_path: Path) -> None:
    checkup = check(write_market(tmp_path), **{"graph.window": 150})
    assert not checkup.usable
    assert "160 sessions" in str(checkup.problems[0])
    assert "the warm-up takes 150 and at least 60 must follow" in str(checkup.problems[0])


@pytest.mark.parametrize("stem", ["markets_calendar", "equities_bars_daily_202206", "equities_master"])
def test_a_file_that_fixes_the_period_may_be_the_bad_one(tmp_path: Path, stem: str) -> None:
    write_market(tmp_path, form="csv", without=("daily_bars",))
    for month in range(1, 7):
        write_bars(tmp_path, f"2022-{month:02d}", f"_2022{month:02d}", "csv")
    path = tmp_path / f"{stem}.csv"
    path.write_bytes(path.read_bytes().replace(b"2022-06-01", b"\x8e2022-06-01", 1))
    checkup = check(tmp_path)
    assert not checkup.usable
    (problem,) = [problem for health in checkup.endpoints for problem in health.findings.problems]
    assert "byte 0x8e is not UTF-8" in str(problem)
    assert (problem.file, problem.column) == (path.name, "Date")


def test_without_a_folder_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        check(tmp_path / "nowhere")


def test_an_endpoint_that_is_missing_is_told_with_what_to_leave_out() -> None:
    settings = load_settings("tse", environ={})
    offered = {"daily_bars", "equities_master", "trading_calendar"}
    with pytest.raises(EndpointMissing, match="no topix; needed by market, cross_market, the graph") as caught:
        require_endpoints(settings, offered)
    assert "indices_bars_daily_topix.parquet" in caught.value.remedy
    left = '["alpha158", "technical", "volatility", "liquidity", "sector"]'
    assert f"--set 'features.families={left}' --set model.graph.enabled=false" in caught.value.remedy
    assert computable_families(offered) == ("alpha158", "technical", "volatility", "liquidity", "sector")
    followed = {"features.families": left, "model.graph.enabled": "false"}
    require_endpoints(load_settings("tse", followed, environ={}), offered)
