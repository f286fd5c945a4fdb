"""A folder of files through the command line: good ones run, bad ones stop before anything is replaced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.sections import SimulatorSettings
from resources.lake import Lake
from tests.integration.processes import atft

BARS = "equities_bars_daily_2024.parquet"
MARKET = SimulatorSettings(n_codes=60, n_sessions=680)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder and the store of a run over it; no test changes the folder without putting it back."""
    folder, store = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("store")
    source = SimulatedSource(MARKET)
    for name in ("trading_calendar", "equities_master", "topix", "daily_bars"):
        rows = source.fetch(name, date(2000, 1, 1), date(2050, 1, 1))
        stem = ENDPOINTS[name].file_stem
        if name == "daily_bars":
            for (year,), part in rows.group_by(pl.col("Date").str.head(4)):
                part.write_parquet(folder / f"{stem}_{year}.parquet")
        else:
            rows.write_csv(folder / f"{stem}.csv")
    done = run(store, folder)
    assert done[0] == 0, done[1]
    return folder, store


def run(store: Path, folder: Path) -> tuple[int, str]:
    done = atft(store, "run", "--preset", "tse", "--source", str(folder), "--to", "daily_bars")
    return done.returncode, done.stdout + done.stderr


def hashes(store: Path) -> dict[str, str]:
    """Content hash of each committed month of the bars."""
    lake = Lake(store / "tse" / "lake")
    manifests = {month: lake.manifest("daily_bars", month) for month in lake.partitions("daily_bars")}
    return {month: manifest.content_hash for month, manifest in manifests.items() if manifest is not None}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def repeat(path: Path) -> None:
    rows = pl.read_parquet(path)
    pl.concat([rows, rows[:1]]).write_parquet(path)


def turn_over(path: Path) -> None:
    rows = pl.read_parquet(path).with_row_index("i", 1)
    rows.with_columns(H=pl.when(pl.col("i") == 7).then(0.5).otherwise("H")).drop("i").write_parquet(path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, [BARS, "is not readable as Parquet", "cut short"]),
        (repeat, [BARS, "column Date, Code", "row ", "stands twice in this file (rows 1 and "]),
        (turn_over, [BARS, "column H", "row 7", "H 0.5 is below L", "H must be at least L"]),
    ],
)
def test_bad_input_stops_the_run_and_replaces_nothing(
    good: tuple[Path, Path], damage: Callable[[Path], None], words: list[str]
) -> None:
    folder, store = good
    before, content = hashes(store), (folder / BARS).read_bytes()
    assert before
    try:
        damage(folder / BARS)
        code, said = run(store, folder)
        checked = atft(store, "doctor", "--source", str(folder))
    finally:
        (folder / BARS).write_bytes(content)
    assert code in (1, 2)
    for word in [*words, "remedy"]:
        assert word in said
    assert "Traceback" not in said
    assert hashes(store) == before
    assert checked.returncode == 1, checked.stderr
    for word in [*words, "Not usable"]:
        assert word in checked.stdout


def test_the_doctor_says_that_a_good_folder_is_usable(good: tuple[Path, Path]) -> None:
    folder, store = good
    done = atft(store, "doctor", "--source", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("daily_bars", "parquet", "csv", "Usable.", "680 sessions", "takes the last 150", "daily rows"):
        assert word in done.stdout


def test_the_doctor_teaches_and_refuses(tmp_path: Path) -> None:
    taught = atft(tmp_path, "doctor", "--help", settings=[])
    assert taught.returncode == 0
    for word in ("equities_bars_daily_202501.csv.gz", "Exit code", "Examples:\n    atft doctor --source ~/prices\n"):
        assert word in taught.stdout
    refused = atft(tmp_path, "doctor", "--source", str(tmp_path / "nowhere"), settings=[])
    assert refused.returncode == 2
    assert "is not a folder" in refused.stderr


def test_without_an_index_the_families_that_need_it_are_named(good: tuple[Path, Path]) -> None:
    folder, store = good
    index = folder / "indices_bars_daily_topix.csv"
    content = index.read_bytes()
    try:
        index.unlink()
        code, said = run(store, folder)
    finally:
        index.write_bytes(content)
    assert code == 2
    for word in ("no topix; needed by market, cross_market, the graph", "--set 'features.families=["):
        assert word in said
