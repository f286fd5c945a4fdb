"""The day store: equal to a slow reference, without copies, of constant stride, and the same bytes every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest

from atft_pipeline.cache import ArrowCache, write_cache
from atft_pipeline.cache.layout import FILE_NAME
from atft_pipeline.errors import ArtefactCorrupt, ArtefactMissing, ArtefactStale, ContractError, LakeError
from atft_pipeline.normalization.cross_section import normalize_cross_section
from atft_pipeline.normalization.targets import normalize_target
from tests.unit.cache.world import CODES, CONTRACT, World, make_world, small_settings

SETTINGS = small_settings()


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(50)


@pytest.fixture(scope="module")
def cache(world: World, tmp_path_factory: pytest.TempPathFactory) -> ArrowCache:
    return world.write(tmp_path_factory.mktemp("cache") / FILE_NAME, SETTINGS)


def reference(frame: pl.DataFrame, day: date, code: str, name: str) -> float | None:
    rows = frame.filter((pl.col("Date") == day) & (pl.col("Code") == code))
    return None if rows.is_empty() else rows[name].item()


def test_axes(cache: ArrowCache, world: World) -> None:
    assert cache.days == world.sessions
    assert cache.codes == CODES == tuple(sorted(CODES))
    assert cache.feature_names == CONTRACT.names
    assert cache.families == ("moves", "state", "market")
    assert cache.horizons == (1, 5, 10, 20)


def test_window_equals_a_slow_reference(cache: ArrowCache, world: World) -> None:
    normalized = normalize_cross_section(world.features, CONTRACT)
    day, length = world.sessions[30], 4
    window, inside = cache.window(day, length), cache.window_mask(day, length)
    known = cache.family_window(day, length)
    assert window.shape == (4, 40, 8)
    assert known.shape == (4, 40, 3)
    outside = 0
    for step, session in enumerate(world.sessions[27:31]):
        for c in range(20, 40):
            rows = normalized.filter((pl.col("Date") == session) & (pl.col("Code") == CODES[c]))
            assert inside[step, c] == (rows.height == 1)
            outside += rows.height == 0
            found = rows.row(0, named=True) if rows.height else dict.fromkeys(CONTRACT.names)
            for f, column in enumerate(CONTRACT.columns):
                value = found[column.name]
                unknown = np.nan if column.kind == "time_series" else 0.0
                np.testing.assert_equal(window[step, c, f], np.float32(unknown if value is None else value))
            for g, family in enumerate(cache.families):
                members = [found[c.name] is not None for c in CONTRACT.columns if c.family == family]
                assert known[step, c, g] == (sum(members) >= len(members) / 2)
    assert outside > 0


def test_time_series_columns_are_raw(cache: ArrowCache, world: World) -> None:
    for t in (0, 3, 40):
        raw = world.features.filter(pl.col("Date") == world.sessions[t])["index"][0]
        stored = cache.window(world.sessions[t], 1)[0, 0, 6]
        np.testing.assert_equal(stored, np.float32(np.nan if raw is None else raw))


def test_targets_returns_and_path(cache: ArrowCache, world: World) -> None:
    day = world.sessions[20]
    rows = world.targets.filter(pl.col("Date") == day)
    members = np.flatnonzero(cache.mask(day))
    assert [CODES[c] for c in members] == rows["Code"].to_list()

    def column(name: str) -> npt.NDArray[np.float64]:
        return rows[name].cast(pl.Float64).to_numpy()

    for k, h in enumerate(cache.horizons):
        np.testing.assert_array_equal(cache.returns(day)[members, k], column(f"next_open_{h}").astype(np.float32))
        np.testing.assert_array_equal(cache.returns_close(day)[members, k], column(f"close_{h}").astype(np.float32))
        expected = normalize_target(column(f"next_open_{h}")).astype(np.float32)
        np.testing.assert_array_equal(cache.targets(day)[members, k], expected)
    np.testing.assert_array_equal(
        cache.path(day, 3)[members, 0], normalize_target(column("close_1")).astype(np.float32)
    )
    for step in range(3):
        later = world.targets.filter(pl.col("Date") == world.sessions[20 + step])
        there = [CODES.index(code) for code in later["Code"]]
        expected = normalize_target(later["close_1"].cast(pl.Float64).to_numpy()).astype(np.float32)
        np.testing.assert_array_equal(cache.path(day, 3)[there, step], expected)
    assert np.isnan(cache.targets(day)[~cache.mask(day)]).all()


def test_labels_that_are_not_yet_there_are_nan(cache: ArrowCache, world: World) -> None:
    assert np.isnan(cache.targets(world.sessions[-5])[:, 1:]).all()
    assert np.isfinite(cache.targets(world.sessions[-5])[:, 0]).any()
    path = cache.path(world.sessions[-3], 20)
    assert path.shape == (40, 20)
    assert np.isfinite(path[:, :2]).any(axis=0).all()
    assert np.isnan(path[:, 2:]).all()


def test_the_chosen_entry_is_stored(world: World, tmp_path: Path) -> None:
    close = world.write(tmp_path / FILE_NAME, small_settings(targets__entry="close"))
    day = world.sessions[20]
    np.testing.assert_array_equal(close.returns(day), close.returns_close(day))


def test_no_copy_and_read_only(cache: ArrowCache, world: World) -> None:
    first, second = (cache.window(world.sessions[t], 6) for t in (20, 22))
    assert np.shares_memory(first, second)
    assert np.shares_memory(first[2:], second[:4])
    assert first[3].__array_interface__["data"] == cache.window(world.sessions[18], 1)[0].__array_interface__["data"]
    assert np.shares_memory(cache.window_mask(world.sessions[20], 6), cache.mask(world.sessions[20]))
    assert not first.flags.writeable


def test_stride_is_constant_and_the_file_is_plain_arrow(cache: ArrowCache, world: World) -> None:
    window = cache.window(world.sessions[40], 30)
    assert window.strides == (cache.layout.stride, 8 * 4, 4)
    with pa.memory_map(str(cache.file)) as source:
        reader = pa.ipc.open_file(source)
        assert reader.num_record_batches == 50
        batch = reader.get_batch(40)
    assert batch.num_rows == 40
    plain = np.array(batch.column("features").to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(plain, window[-1])


def test_same_content_same_bytes_whatever_the_order_of_rows(cache: ArrowCache, world: World, tmp_path: Path) -> None:
    shuffled = replace(
        world,
        features=world.features.sample(fraction=1.0, shuffle=True, seed=3),
        targets=world.targets.sample(fraction=1.0, shuffle=True, seed=4),
    )
    shuffled.write(tmp_path / FILE_NAME, SETTINGS)
    assert (tmp_path / FILE_NAME).read_bytes() == cache.file.read_bytes()


def test_sessions_without_rows_are_stored(world: World, tmp_path: Path) -> None:
    empty = world.sessions[10]
    thinned = replace(world, features=world.features.filter(pl.col("Date") != empty))
    cache = thinned.write(tmp_path / FILE_NAME, SETTINGS)
    assert cache.days == world.sessions
    assert not cache.mask(empty).any()
    assert np.isnan(cache.targets(empty)).all()
    assert cache.mask(world.sessions[11]).any()


def test_progress_is_told_month_by_month(world: World, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    write_cache(
        tmp_path / FILE_NAME,
        world.features.lazy(),
        world.targets.lazy(),
        world.sessions,
        CONTRACT,
        SETTINGS,
        on_progress=lambda *call: calls.append(call),
    )
    assert calls == [("arrow_cache", 1, 3), ("arrow_cache", 2, 3), ("arrow_cache", 3, 3)]


def test_days_and_windows_outside_are_refused(cache: ArrowCache, world: World) -> None:
    assert cache.days_with_window(6)[0] == world.sessions[5]
    with pytest.raises(LakeError, match="a window of 6 needs 6"):
        cache.window(world.sessions[4], 6)
    with pytest.raises(LakeError, match="not a session of the cache"):
        cache.mask(date(2024, 1, 6))


def test_another_contract_is_refused(cache: ArrowCache) -> None:
    cache.require_contract(CONTRACT)
    with pytest.raises(ContractError, match="cache contract"):
        cache.require_contract(CONTRACT.select(["moves", "state"]))


def test_an_artefact_directory_holds_the_same_file(cache: ArrowCache, tmp_path: Path) -> None:
    cache.save(tmp_path)
    again = ArrowCache.load(tmp_path)
    assert again.file.read_bytes() == cache.file.read_bytes()
    assert again.codes == cache.codes


def test_faulty_files_are_refused(cache: ArrowCache, tmp_path: Path) -> None:
    content = cache.file.read_bytes()
    with pytest.raises(ArtefactMissing):
        ArrowCache.open(tmp_path / "absent.arrow")
    (tmp_path / "cut.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtefactCorrupt):
        ArrowCache.open(tmp_path / "cut.arrow")
    (tmp_path / "old.arrow").write_bytes(content.replace(b'"version": 1', b'"version": 0'))
    with pytest.raises(ArtefactStale, match="layout version 0"):
        ArrowCache.open(tmp_path / "old.arrow")
    stride = f'"stride": {cache.layout.stride}'.encode()
    (tmp_path / "stride.arrow").write_bytes(content.replace(stride, stride[:-1] + b"1"))
    with pytest.raises(ArtefactCorrupt, match="bytes apart"):
        ArrowCache.open(tmp_path / "stride.arrow")


def test_an_arrow_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_ipc(tmp_path / "other.arrow")
    with pytest.raises(ArtefactCorrupt, match="no cache description"):
        ArrowCache.open(tmp_path / "other.arrow")


@pytest.mark.parametrize(
    ("fault", "message"),
    [("column", "features lacks 1 columns: level"), ("twice", "twice in 2024-01"), ("holiday", "no sessions")],
)
def test_faulty_tables_are_refused(world: World, tmp_path: Path, fault: str, message: str) -> None:
    features = {
        "column": world.features.drop("level"),
        "twice": pl.concat([world.features, world.features.head(1)]),
        "holiday": world.features.with_columns(
            Date=pl.when(pl.int_range(pl.len()) == 0).then(date(2024, 1, 7)).otherwise("Date")
        ),
    }[fault]
    with pytest.raises(ContractError, match=message):
        replace(world, features=features).write(tmp_path / FILE_NAME, SETTINGS)
