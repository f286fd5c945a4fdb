"""A folder of files answers like the market that wrote it, and says what is wrong with a folder that does not."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import EndpointMissing, SourceError
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.files import BLANKED_WHEN_STRETCHED, FilesSource
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed

from .markets import SMALL

START, END = date(2022, 1, 1), date(2022, 6, 30)
MARCH = (date(2022, 3, 1), date(2022, 3, 31))


def write(folder: Path, name: str, rows: pl.DataFrame, suffix: str = "") -> None:
    rows.write_parquet(folder / f"{ENDPOINTS[name].file_stem}{suffix}.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every endpoint in wire form; the bars by year."""
    source = SimulatedSource(SMALL)
    for name in ENDPOINTS:
        if name != "daily_bars":
            write(tmp_path, name, source.fetch(name, date(2000, 1, 1), date(2050, 1, 1)))
    write(tmp_path, "daily_bars", source.fetch("daily_bars", date(2021, 1, 1), date(2021, 12, 31)), "_2021")
    write(tmp_path, "daily_bars", source.fetch("daily_bars", date(2022, 1, 1), date(2022, 12, 31)), "_2022")
    return tmp_path


@pytest.mark.parametrize("name", ENDPOINTS)
def test_what_was_written_is_read(folder: Path, name: str) -> None:
    simulated, files = SimulatedSource(SMALL), FilesSource(folder)
    assert_frame_equal(files.fetch(name, *MARCH), simulated.fetch(name, *MARCH))
    across = (date(2021, 12, 1), date(2022, 1, 31))
    assert_frame_equal(files.fetch(name, *across), simulated.fetch(name, *across))
    assert files.fetch(name, date(1990, 1, 1), date(1990, 2, 1)).height == 0


def test_the_folder_knows_its_period(folder: Path) -> None:
    simulated, files = SimulatedSource(SMALL), FilesSource(folder)
    assert (files.first_session(), files.last_session()) == (simulated.first_session(), simulated.last_session())
    assert_frame_equal(files.calendar(), simulated.calendar())
    assert files.endpoints == frozenset(ENDPOINTS)
    assert not files.stretched_master


def test_typed_files_are_read_alike(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    typed_folder = tmp_path_factory.mktemp("typed")
    for name in ("daily_bars", "equities_master", "topix"):
        wire = SimulatedSource(SMALL).fetch(name, START, END)
        write(typed_folder, name, to_typed(wire, ENDPOINTS[name]).frame)
    for name in ("daily_bars", "topix"):
        wire, typed = (FilesSource(where).fetch(name, *MARCH) for where in (folder, typed_folder))
        assert_frame_equal(to_typed(typed, ENDPOINTS[name]).frame, typed)
        assert_frame_equal(to_typed(wire, ENDPOINTS[name]).frame, typed)


def test_without_a_calendar_file_the_dates_of_the_bars_are_sessions(folder: Path) -> None:
    (folder / "markets_calendar.parquet").unlink()
    source = FilesSource(folder)
    days = source.calendar()
    sessions = SimulatedSource(SMALL).market.sessions
    assert days.filter(pl.col("HolDiv") == "1")["Date"].to_list() == list(sessions)
    assert days["Date"].to_list() == pl.date_range(sessions[0], sessions[-1], eager=True).to_list()
    assert source.fetch("trading_calendar", *MARCH)["HolDiv"].value_counts(sort=True).rows() == [("1", 22), ("0", 9)]


def test_a_snapshot_is_stretched_and_cannot_look_ahead(folder: Path) -> None:
    snapshot = SimulatedSource(SMALL).fetch("equities_master", SMALL.last_session, SMALL.last_session)
    write(folder, "equities_master", snapshot)
    source = FilesSource(folder)
    assert source.stretched_master
    rows = to_typed(source.fetch("equities_master", *MARCH), ENDPOINTS["equities_master"]).frame
    sessions = [day for day in SimulatedSource(SMALL).market.sessions if MARCH[0] <= day <= MARCH[1]]
    assert rows.height == len(sessions) * snapshot.height
    assert rows["Date"].unique().sort().to_list() == sessions
    assert rows.select(pl.col(BLANKED_WHEN_STRETCHED).is_null().all()).row(0) == (True,) * len(BLANKED_WHEN_STRETCHED)
    one_day = rows.filter(pl.col("Date") == sessions[0]).select("Code", "S33", "S17", "ProdCat")
    assert_frame_equal(one_day, snapshot.select("Code", "S33", "S17", "ProdCat"))
    assert source.fetch("equities_master", date(2030, 1, 1), date(2030, 1, 31)).height == 0


def test_an_absent_file_is_an_endpoint_that_is_not_offered(folder: Path) -> None:
    (folder / "fins_summary.parquet").unlink()
    source = FilesSource(folder)
    assert "financial_summaries" not in source.endpoints
    with pytest.raises(EndpointMissing, match="financial_summaries"):
        source.fetch("financial_summaries", *MARCH)


def test_the_fingerprint_sees_the_files_that_matter(folder: Path) -> None:
    source = FilesSource(folder)
    march, autumn = MARCH, (date(2021, 11, 1), date(2021, 11, 30))
    before = source.fingerprint("daily_bars", *march), source.fingerprint("daily_bars", *autumn)
    changed = folder / "equities_bars_daily_2022.parquet"
    bars = pl.read_parquet(changed).with_columns(pl.col("C") + 1.0)
    bars.write_parquet(changed)
    os.utime(changed, ns=(time.time_ns(), time.time_ns() + 1_000_000_000))
    assert source.fingerprint("daily_bars", *march) != before[0]
    assert source.fingerprint("daily_bars", *autumn) == before[1]
    assert_frame_equal(
        source.fetch("daily_bars", *march).select("C"),
        bars.filter(pl.col("Date").is_between(pl.lit("2022-03-01"), pl.lit("2022-03-31"))).select("C"),
    )


def test_an_added_file_is_seen(folder: Path) -> None:
    source = FilesSource(folder)
    before = source.fingerprint("daily_bars", date(2022, 6, 1), date(2022, 7, 31))
    july = pl.read_parquet(folder / "equities_bars_daily_2022.parquet").with_columns(pl.lit("2022-07-01").alias("Date"))
    write(folder, "daily_bars", july, "_202207")
    assert source.last_session() == date(2022, 7, 1)
    assert source.fingerprint("daily_bars", date(2022, 6, 1), date(2022, 7, 31)) != before


def test_other_files_are_left_alone(folder: Path) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(folder / "equities_bars_daily_am.parquet")
    assert FilesSource(folder).first_session() == SimulatedSource(SMALL).first_session()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere is not a folder") as caught:
        FilesSource(tmp_path / "nowhere")
    assert "--source DIR" in caught.value.remedy


@pytest.mark.parametrize("name", ["equities_bars_daily", "equities_master"])
def test_a_missing_file(folder: Path, name: str) -> None:
    for path in folder.glob(f"{name}*.parquet"):
        path.unlink()
    with pytest.raises(SourceError, match=rf"holds no {name}.parquet .* it holds .*fins_summary.parquet") as caught:
        FilesSource(folder)
    assert f"{name}_YYYY.parquet" in caught.value.remedy


def test_a_missing_column(folder: Path) -> None:
    path = folder / "equities_bars_daily_2022.parquet"
    pl.read_parquet(path).drop("AdjFactor").write_parquet(path)
    with pytest.raises(SourceError, match=r"equities_bars_daily_2022.parquet: required column AdjFactor is missing"):
        FilesSource(folder)


def test_a_file_without_dates(folder: Path) -> None:
    path = folder / "equities_master.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    with pytest.raises(SourceError, match="no row with a readable Date"):
        FilesSource(folder)


@pytest.mark.tse
@pytest.mark.skipif("ATFT_TEST_TSE" not in os.environ, reason="ATFT_TEST_TSE names no folder of real files")
def test_real_files_are_read_month_by_month() -> None:
    source = FilesSource(Path(os.environ["ATFT_TEST_TSE"]))
    last = source.last_session()
    for month in range(1, last.month + 1):
        start, end = date(last.year, month, 1), date(last.year, month, 28)
        for name in ("daily_bars", "equities_master", "topix", "trading_calendar"):
            typed = to_typed(source.fetch(name, start, end), ENDPOINTS[name])
            assert typed.frame.height > 0
            assert typed.failed_casts == {}
            assert typed.frame[ENDPOINTS[name].date_column].is_between(start, end).all()
