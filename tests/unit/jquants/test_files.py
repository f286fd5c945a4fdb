"""A folder of files answers like the market that wrote it, and says what is wrong with a folder that does not."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import BadData, EndpointMissing, SourceError
from atft_pipeline.jquants import csv_bytes, file_rows
from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.files import BLANKED_WHEN_STRETCHED, FilesSource
from atft_pipeline.jquants.findings import Problem
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import SimulatorSettings

from .folders import checked_rows, write, write_bars, write_market
from .markets import SMALL

START, END = date(2022, 1, 1), date(2022, 6, 30)
MARCH = (date(2022, 3, 1), date(2022, 3, 31))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every endpoint in wire form; the bars by year."""
    return write_market(tmp_path)


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
    with pytest.raises(SourceError, match=r"equities_bars_daily_2022.parquet, column AdjFactor: missing; the file"):
        FilesSource(folder)


def test_a_file_without_dates(folder: Path) -> None:
    path = folder / "equities_master.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    with pytest.raises(SourceError, match="no row with a readable Date"):
        FilesSource(folder)


@pytest.mark.parametrize("form", ["csv", "csv.gz"])
def test_text_files_keep_their_zeros_and_give_the_same_typed_rows(tmp_path: Path, form: str) -> None:
    source = FilesSource(write_market(tmp_path, form=form))
    simulated = SimulatedSource(SMALL)
    assert source.endpoints == frozenset(ENDPOINTS)
    assert (source.first_session(), source.last_session()) == (simulated.first_session(), simulated.last_session())
    assert_frame_equal(source.calendar(), simulated.calendar())
    for name, endpoint in ENDPOINTS.items():
        read, made = (to_typed(market.fetch(name, *MARCH), endpoint).frame for market in (source, simulated))
        assert_frame_equal(read, made)
    assert "0050" in source.fetch("equities_master", *MARCH)["S33"].to_list()


def test_a_byte_order_mark_and_carriage_returns_change_nothing(folder: Path) -> None:
    before = to_typed(FilesSource(folder).fetch("topix", *MARCH), ENDPOINTS["topix"]).frame
    rows = pl.read_parquet(folder / "indices_bars_daily_topix.parquet")
    (folder / "indices_bars_daily_topix.parquet").unlink()
    path = write(folder, "topix", rows, form="csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    read = checked_rows(FilesSource(folder), "topix", *MARCH)
    assert_frame_equal(read.typed.frame, before)
    assert read.findings.oddities == ()


def test_the_layout_of_the_bulk_download_is_read(tmp_path: Path) -> None:
    """Months of the past in a folder per year, the days of the running month beside them, formats mixed."""
    simulated = SimulatedSource(SMALL)
    write_market(tmp_path, without=("daily_bars",))
    for month in ("2021-11", "2021-12", "2022-01", "2022-02", "2022-03", "2022-04", "2022-05"):
        suffix = "_" + month.replace("-", "")
        write_bars(
            tmp_path / "historical" / month[:4], month, suffix, form="parquet" if month == "2022-02" else "csv.gz"
        )
    for day in simulated.market.sessions:
        if f"{day:%Y-%m}" == "2022-06":
            write_bars(tmp_path / "live", day.isoformat(), f"_{day:%Y%m%d}", form="csv")
    source = FilesSource(tmp_path)
    whole = (date(2021, 11, 1), date(2022, 6, 30))
    made = to_typed(simulated.fetch("daily_bars", *whole), ENDPOINTS["daily_bars"]).frame
    read = to_typed(source.fetch("daily_bars", *whole), ENDPOINTS["daily_bars"]).frame
    assert_frame_equal(read.sort("Date", "Code"), made)
    assert source.last_session() == SMALL.last_session


def test_the_period_of_a_csv_is_taken_from_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening, sessions, calendar and fingerprints read the first and the last file of the bars, no other."""
    write_market(tmp_path, without=("daily_bars",))
    for month in ("2021-12", "2022-01", "2022-02", "2022-03"):
        write_bars(tmp_path, month, "_" + month.replace("-", ""), form="csv")
    read: list[str] = []

    def csv_rows(file: DataFile, columns: Sequence[str] | None = None) -> pl.DataFrame | Problem:
        read.append(file.label)
        return csv_bytes.csv_rows(file, columns)

    monkeypatch.setattr(file_rows, "csv_rows", csv_rows)
    source = FilesSource(tmp_path)
    source.calendar()
    assert (source.first_session(), source.last_session()) == (date(2021, 12, 1), date(2022, 3, 31))
    source.fingerprint("daily_bars", *MARCH)
    assert sorted(read) == ["equities_bars_daily_202112.csv", "equities_bars_daily_202203.csv"]


def test_a_row_outside_the_period_of_the_files_name_is_told(folder: Path) -> None:
    write_bars(folder, "2022-03-01", "_20220302", form="csv")
    with pytest.raises(BadData, match=r"_20220302.csv, column Date, row 1: Date 2022-03-01 is outside the period"):
        checked_rows(FilesSource(folder), "daily_bars", *MARCH)


def test_files_may_overlap_where_their_rows_are_alike(folder: Path) -> None:
    write_bars(folder, "2022-03-01", "_20220301", form="csv")
    found = checked_rows(FilesSource(folder), "daily_bars", *MARCH)
    made = to_typed(SimulatedSource(SMALL).fetch("daily_bars", *MARCH), ENDPOINTS["daily_bars"]).frame
    assert_frame_equal(found.typed.frame.sort("Date", "Code"), made)
    alike = next(oddity for oddity in found.findings.oddities if "alike in two files" in oddity.says)
    assert alike.count == made.filter(pl.col("Date") == date(2022, 3, 1)).height
    assert alike.example == "equities_bars_daily_2022.parquet and equities_bars_daily_20220301.csv"


def test_overlapping_files_that_differ_are_both_named(folder: Path) -> None:
    write_bars(folder, "2022-03-01", "_20220301", form="csv", change={"Vo": pl.col("Vo") + 100})
    with pytest.raises(BadData) as caught:
        checked_rows(FilesSource(folder), "daily_bars", *MARCH)
    for word in ("equities_bars_daily_20220301.csv, column Date, Code", "equities_bars_daily_2022.parquet", "Vo is"):
        assert word in str(caught.value)


def test_value_traded_is_worked_out_where_it_is_missing_and_said(folder: Path) -> None:
    path = folder / "equities_bars_daily_2022.parquet"
    pl.read_parquet(path).drop("Va").write_parquet(path)
    source = FilesSource(folder)
    bars = to_typed(source.fetch("daily_bars", *MARCH), ENDPOINTS["daily_bars"]).frame
    expected = bars.select(Va=(pl.col("O") + pl.col("H") + pl.col("L") + pl.col("C")) / 4 * pl.col("Vo"))
    assert_frame_equal(bars.select("Va"), expected)
    assert any("1 of 2 files of bars have no Va" in note for note in source.notes)


def test_the_outage_is_a_session_though_no_bar_tells_of_it(tmp_path: Path) -> None:
    settings = SimulatorSettings(n_codes=20, n_sessions=60, last_session=date(2020, 10, 30))
    write_market(tmp_path, without=("trading_calendar",), settings=settings)
    path = tmp_path / "equities_bars_daily_2020.parquet"
    pl.read_parquet(path).filter(~pl.col("Date").is_in(["2020-10-01", "2020-10-05"])).write_parquet(path)
    source = FilesSource(tmp_path)
    days = dict(source.calendar().iter_rows())
    assert (days[date(2020, 10, 1)], days[date(2020, 10, 5)], days[date(2020, 10, 3)]) == ("1", "0", "0")
    assert any("2020-10-01" in note and "taken for a holiday" in note for note in source.notes)


def test_one_snapshot_may_lie_in_several_files(folder: Path) -> None:
    snapshot = SimulatedSource(SMALL).fetch("equities_master", SMALL.last_session, SMALL.last_session)
    (folder / "equities_master.parquet").unlink()
    write(folder, "equities_master", snapshot[:30], "_1")
    write(folder, "equities_master", snapshot[25:], "_2", form="csv")
    source = FilesSource(folder)
    assert source.stretched_master
    assert any(note.startswith("Survivorship") for note in source.notes)
    found = checked_rows(source, "equities_master", *MARCH)
    assert found.typed.frame.height == 22 * snapshot.height
    assert [str(oddity) for oddity in found.findings.oddities] == [
        "rows that stand alike in two files, kept once: 5, such as equities_master_1.parquet and equities_master_2.csv"
    ]


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
