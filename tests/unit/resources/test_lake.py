"""The lake: atomic commits, verified reads, content hashes, appends that never rewrite."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Self

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.errors import ArtefactCorrupt, ArtefactMissing, LakeError
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.wire import to_typed
from resources import lake as lake_module
from resources.lake import Lake
from resources.manifest import Provenance, hash_table

ORIGIN = Provenance(settings_hash="s", code_version="c", contract_hash="k", inputs={"daily_bars@2024-01": "h"})
TABLE = pl.DataFrame({"Date": [date(2024, 1, 4), None], "x": [1.5, None], "name": ["ゐ", None]})


class Note:
    """A tiny artefact with a file in a subfolder."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save(self, directory: Path) -> None:
        """Write the text."""
        (directory / "inner").mkdir()
        (directory / "inner" / "note.txt").write_text(self.text)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read it back."""
        return cls((directory / "inner" / "note.txt").read_text())


class Broken(Note):
    """Fails half-way through its writing."""

    def save(self, directory: Path) -> None:
        """Write, then fail."""
        super().save(directory)
        raise OSError("disk gone")


def test_a_committed_table_reads_back_and_its_manifest_describes_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    manifest = lake.commit("features", "2024-01", TABLE, ORIGIN, run_id="r")
    assert_frame_equal(lake.scan("features").collect(), TABLE)
    assert (manifest.rows, manifest.columns["x"], manifest.revision) == (2, "Float64", 1)
    assert manifest.content_hash == hash_table(TABLE)
    assert lake.manifest("features", "2024-01") == manifest
    assert lake.partitions("features") == ["2024-01"]


def test_forms_are_those_of_the_single_files(tmp_path: Path) -> None:
    """Scanned together, the first month would have the second's column."""
    lake = Lake(tmp_path)
    lake.commit("features", "2024-01", TABLE.drop("x"), ORIGIN)
    lake.commit("features", "2024-02", TABLE, ORIGIN)
    assert lake.forms("features") == {"2024-01": TABLE.drop("x").schema, "2024-02": TABLE.schema}
    assert [*lake.forms("features")["2024-02"]] == TABLE.columns


def test_an_artefact_reads_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.commit("fold_models/fold_0", None, Note("hello"), ORIGIN)
    assert lake.read("fold_models/fold_0", None, Note).text == "hello"
    assert lake.file("fold_models/fold_0", None, "inner/note.txt").read_text() == "hello"


def test_a_failed_commit_leaves_the_version_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.commit("report", None, Note("first"), ORIGIN)
    with pytest.raises(OSError, match="disk gone"):
        lake.commit("report", None, Broken("second"), ORIGIN)
    assert lake.read("report", None, Note).text == "first"
    assert not list(tmp_path.rglob(".staging-*"))


def test_what_a_killed_commit_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.commit("report", None, Note("first"), ORIGIN)
    left_over = tmp_path / "report" / "all" / ".staging-dead"
    left_over.mkdir()
    (left_over / "half").write_text("x")
    orphan = tmp_path / "report" / "all" / "v-orphan"
    orphan.mkdir()
    lake.commit("report", None, Note("second"), ORIGIN)
    assert not left_over.exists()
    assert not orphan.exists()
    assert lake.read("report", None, Note).text == "second"


def test_current_means_same_provenance_and_whole_files(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert not lake.is_current("t", None, ORIGIN)
    lake.commit("t", None, TABLE, ORIGIN)
    assert lake.is_current("t", None, ORIGIN)
    other = ORIGIN.model_copy(update={"inputs": {"daily_bars@2024-01": "h2"}, "settings_hash": "s2"})
    assert not lake.is_current("t", None, other)
    assert other.differences(ORIGIN) == ["settings changed", "input daily_bars@2024-01 changed"]
    lake.file("t", None, "data.parquet").write_bytes(b"x")
    assert not lake.is_current("t", None, ORIGIN)
    with pytest.raises(ArtefactCorrupt, match="differ from the manifest"):
        lake.scan("t")


def test_a_month_missing_between_existing_ones_is_an_error(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for month in ("2024-01", "2024-03"):
        lake.commit("bars", month, TABLE, ORIGIN)
    months = ["2023-12", "2024-01", "2024-02", "2024-03", "2024-04"]
    with pytest.raises(ArtefactMissing, match=r"bars: 1 partitions .* 2024-02"):
        lake.scan("bars", months)
    lake.commit("bars", "2024-02", TABLE, ORIGIN)
    assert lake.scan("bars", months).collect().height == 6
    with pytest.raises(ArtefactMissing, match="no partition"):
        lake.scan("nothing", months)


def test_months_whose_unknown_column_drifts_are_read_as_one_table(tmp_path: Path) -> None:
    lake, topix = Lake(tmp_path), ENDPOINTS["topix"]
    prices: dict[str, object] = {column: [1.0, 2.0] for column in "OHLC"}
    drift: dict[str, list[object]] = {"2024-01": [None, None], "2024-02": [7, 0.5], "2024-03": ["-", "x"]}
    drift["2024-04"] = [True, None]
    for month, values in drift.items():
        rows = pl.DataFrame(prices | {"Date": [f"{month}-04", f"{month}-05"], "New": pl.Series(values, strict=False)})
        lake.commit("topix", month, to_typed(rows, topix).frame, ORIGIN)
    read = lake.scan("topix").collect()
    assert read["New"].to_list() == [None, None, "7", "0.5", "-", "x", "true", None]
    assert read.drop("New").schema == topix.schema


def test_equal_tables_write_equal_bytes(tmp_path: Path) -> None:
    hashes = {Lake(tmp_path).commit("t", None, TABLE, ORIGIN).files["data.parquet"].hash for _ in range(2)}
    assert len(hashes) == 1


def test_an_appended_table_is_never_rewritten(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first, second = TABLE.with_columns(x=pl.lit(1.0)), TABLE.with_columns(x=pl.lit(2.0))
    lake.append("daily_signals", "2024-01", {"2024-01-04": first}, ORIGIN)
    manifest = lake.append("daily_signals", "2024-01", {"2024-01-04": second, "2024-01-05": second}, ORIGIN)
    assert sorted(manifest.files) == ["2024-01-04.parquet", "2024-01-05.parquet"]
    assert lake.scan("daily_signals").collect()["x"].to_list() == [1.0, 1.0, 2.0, 2.0]
    before = manifest.content_hash
    assert lake.append("daily_signals", "2024-01", {}, ORIGIN).content_hash == before


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(LakeError, match="MB free"):
        Lake(tmp_path).commit("t", None, TABLE, ORIGIN)
    assert Lake(tmp_path).manifest("t") is None


@given(st.lists(st.tuples(st.integers(-5, 5) | st.none(), st.text(max_size=3) | st.none()), max_size=8))
def test_the_content_hash_is_of_values_not_of_chunks(rows: list[tuple[int | None, str | None]]) -> None:
    schema = {"a": pl.Int64, "b": pl.String}
    whole = pl.DataFrame(rows, schema=schema, orient="row")
    pieces = pl.concat([whole[:2], whole[2:]], rechunk=False)
    assert hash_table(whole) == hash_table(pieces)
    stamped = whole.with_columns(fetched_at=pl.lit(datetime(2024, 1, 1)))
    assert hash_table(stamped) == hash_table(whole)


def test_the_content_hash_sees_values_nulls_names_types_and_order() -> None:
    base = pl.DataFrame({"a": [0, 1, None], "b": ["x", "", None], "c": [[1], [], None]})
    others = [
        base.with_columns(a=pl.Series([0, 1, 0])),
        base.with_columns(b=pl.Series(["x", None, None])),
        base.with_columns(b=pl.Series(["", "x", None])),
        base.with_columns(c=pl.Series([[1], None, None], dtype=pl.List(pl.Int64))),
        base.rename({"a": "z"}),
        base.cast({"a": pl.Int32}),
        base.reverse(),
    ]
    hashes = [hash_table(frame) for frame in (base, *others)]
    assert len(set(hashes)) == len(hashes)
    assert hash_table(base.clone()) == hashes[0]


def test_a_column_that_only_some_months_have_is_null_in_the_others(tmp_path: Path) -> None:
    """A month without rows has the required columns only; later ones bring what the regime change added."""
    lake = Lake(tmp_path)
    few = pl.DataFrame({"Date": [date(2024, 1, 4)], "Vol": [1.0]})
    lake.commit("margin", "2024-01", few, ORIGIN)
    lake.commit("margin", "2024-02", few.with_columns(Kind=pl.lit("1"), Value=pl.lit(7.0)), ORIGIN)
    lake.commit("margin", "2024-03", few.with_columns(Value=pl.lit(8.0)), ORIGIN)
    found = lake.scan("margin").collect()
    assert found.columns == ["Date", "Vol", "Kind", "Value"]
    assert found["Kind"].to_list() == [None, "1", None]
    assert found["Value"].to_list() == [None, 7.0, 8.0]


def test_a_checkpoint_is_of_one_origin(tmp_path: Path) -> None:
    """The same code, settings and inputs find it again; other code does not, and clears it away."""
    lake = Lake(tmp_path)
    (lake.checkpoints("fold_models/full", ORIGIN) / "epoch").write_text("1")
    assert (lake.checkpoints("fold_models/full", ORIGIN) / "epoch").read_text() == "1"
    assert list(lake.checkpoints("fold_models/fold_0", ORIGIN).iterdir()) == []
    other = lake.checkpoints("fold_models/full", ORIGIN.model_copy(update={"code_version": "d"}))
    assert list(other.iterdir()) == []
    assert list(lake.checkpoints("fold_models/full", ORIGIN).iterdir()) == []
