"""How fast wire rows become typed rows in the lake: `make bench-ingest`, on one core.

Pages: about 5 MB of JSON of three endpoints to typed frames, beside `orjson.loads` of the same bytes. Bulk: a gzipped
CSV of bars per month, about 4,000 codes x 21 sessions, to a Parquet file per month in a lake: seconds of each part and,
beside it, of the least that this part must do; then of all of it as a run does it, from stored answers of the API to
committed months, for the first time and once more. Files are made before anything is timed; nothing is asserted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import orjson
import polars as pl
from isal import igzip

from atft_pipeline.jquants.api.received import Received
from atft_pipeline.jquants.api.source import received_folder
from atft_pipeline.jquants.api.wire_pages import frame_of_pages
from atft_pipeline.jquants.checked_rows import check_located
from atft_pipeline.jquants.csv_bytes import csv_rows
from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.findings import Places
from atft_pipeline.jquants.source import LocatedRows
from atft_pipeline.jquants.wire import TypedRows, to_typed
from benchmarks.stages import MemoryWatch
from benchmarks.throttle import measure_throttle
from benchmarks.wire_data import PLAN, keep_as_received, pages, write_files
from resources.lake import Lake
from resources.manifest import Provenance, hash_file, hash_table
from resources.market_data import FetchedMonths
from resources.structure import process_settings

BARS = ENDPOINTS["daily_bars"]
REPEATS = 15
PROVENANCE = Provenance(settings_hash="", code_version="", contract_hash="", inputs={})


def measure_pages() -> None:
    """Milliseconds of a page to typed rows, and of its `orjson.loads`, best of some turns each."""
    print(f"{'page':<22}{'MB':>6}{'rows':>8}{'loads ms':>10}{'typed ms':>10}{'times':>7}")
    for name, body in pages().items():
        endpoint = ENDPOINTS[name]
        loads, typed = [], []
        for _ in range(REPEATS):
            loads.append(_seconds(partial(orjson.loads, body)))
            typed.append(_seconds(partial(_typed, body, endpoint)))
        least, ours, rows = min(loads), min(typed), frame_of_pages([body], endpoint).height
        print(f"{name:<22}{len(body) / 1e6:>6.1f}{rows:>8}{least * 1e3:>10.1f}{ours * 1e3:>10.1f}{ours / least:>7.2f}")


def _typed(body: bytes, endpoint: Endpoint) -> TypedRows:
    return to_typed(frame_of_pages([body], endpoint), endpoint)


def _now() -> np.ndarray:
    """The clock's and the processor's seconds: on a machine that others use too, they differ."""
    return np.array([time.perf_counter(), time.process_time()])


class Parts:
    """Seconds of each part, summed over the months; each is timed by itself, and what is inside another taken off."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._seconds: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
        self.rows = 0

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = _now()
        yield
        self._seconds[part] += _now() - began

    def add(self, file: DataFile) -> None:
        """Read, type, check and commit a month."""
        with self._timed("gunzip"):
            content = igzip.decompress(file.path.read_bytes())
        with self._timed("read"):
            rows = csv_rows(file)
        assert isinstance(rows, pl.DataFrame)
        with self._timed("type"):
            typed = to_typed(rows, BARS)
        located = LocatedRows(rows, Places.without_files(file.label, rows.height), ())
        with self._timed("checked"):
            checked = check_located(located, BARS, "bulk", (), None)
        assert not checked.findings.problems
        assert not typed.failed_casts
        with self._timed("commit"):
            manifest = self._lake.commit(BARS.name, file.label[-13:-7], checked.typed.frame, PROVENANCE)
        with self._timed("hash of the content"):
            hash_table(checked.typed.frame)
        with self._timed("hash of the file"):
            hash_file(self._lake.file(BARS.name, manifest.partition, "data.parquet"))
        self.rows += rows.height
        self._least(file, content, checked.typed.frame)

    def _least(self, file: DataFile, content: bytes, frame: pl.DataFrame) -> None:
        """What no way of doing a part can do without."""
        numbers = frame.select(pl.col(pl.Float64).fill_null(0.0)).to_numpy(order="fortran")
        packed = file.path.read_bytes()
        least: dict[str, Callable[[], object]] = {
            "zlib alone": lambda: zlib.decompress(packed, zlib.MAX_WBITS | 16),
            "fields as text": lambda: pl.read_csv(content, infer_schema=False),
            "a copy of the numbers": numbers.copy,
            "Parquet without zstd": lambda: frame.write_parquet(io.BytesIO(), compression="uncompressed"),
            "blake2b of the numbers": lambda: hashlib.blake2b(numbers.T.data).digest(),
        }
        for part, work in least.items():
            with self._timed(part):
                work()

    def tell(self) -> None:
        """Seconds, rows a second, and the anchor of each part."""
        s = self._seconds
        hashes = s["hash of the content"] + s["hash of the file"]
        parts = (
            ("gunzip", s["gunzip"], "zlib alone"),
            ("parse CSV", s["read"] - s["gunzip"], "fields as text"),
            ("type", s["type"], "a copy of the numbers"),
            ("checks", s["checked"] - s["type"], ""),
            ("write, zstd, fsync", s["commit"] - hashes, "Parquet without zstd"),
            ("hash of the content", s["hash of the content"], "blake2b of the numbers"),
            ("hash of the file", s["hash of the file"], ""),
        )
        print(f"{'part':<24}{'seconds':>9}{'of CPU':>9}{'million rows/s':>16}{'of CPU':>9}  at least")
        for name, seconds, anchor in parts:
            _line(name, seconds, self.rows, f"{s[anchor][1]:.1f} s of CPU, {anchor}" if anchor else "")
        stored = s["read"] + s["type"] + s["commit"] - hashes
        _line("typed and stored", stored, self.rows)
        _line("and with the hashes", stored + hashes, self.rows)
        _line("and with the checks", stored + hashes + s["checked"] - s["type"], self.rows)


def _line(name: str, seconds: np.ndarray, rows: int, anchor: str = "") -> None:
    (clock, cpu), (rate, cpu_rate) = seconds, rows / seconds / 1e6
    print(f"{name:<24}{clock:>9.1f}{cpu:>9.1f}{rate:>16.2f}{cpu_rate:>9.2f}  {anchor}".rstrip(), flush=True)


def measure_bulk(months: int) -> None:
    """All months, one after the other, in a temporary folder: part by part, then on the way that a run takes."""
    with tempfile.TemporaryDirectory(prefix="atft-bench-") as where:
        folder = Path(where) / "files"
        folder.mkdir()
        files = write_files(folder, months)
        print(f"{months} files, {sum(file.size for file in files) / 1e6:,.0f} MB", flush=True)
        watch, parts = MemoryWatch(os.getpid()), Parts(Lake(Path(where) / "parts"))
        watch.start()
        for file in files:
            parts.add(file)
        parts.tell()
        print(f"{parts.rows:,} rows; peak of anonymous memory {watch.take():,.0f} MiB", flush=True)
        measure_run(Path(where) / "run", files)
        print(f"peak of anonymous memory {watch.take():,.0f} MiB")


def measure_run(store: Path, files: Sequence[DataFile]) -> None:
    """Stored answers to committed months, as the asset of the bars does it; nothing is asked of any API."""
    chosen = {"store": str(store), "source.kind": "jquants", "source.api.plan": PLAN, "period.sessions": 10_000}
    nowhere = {"source.api.base_url": "http://127.0.0.1:9/v2"}
    os.environ |= {"ATFT_PRESET": "demo", "ATFT_OVERRIDES": json.dumps(chosen | nowhere), "XDG_STATE_HOME": str(store)}
    os.environ["JQUANTS_API_KEY"] = "none"
    keep_as_received(files, Received(received_folder(process_settings())))
    lake, months = Lake(store / "lake"), [f"{file.period[0]:%Y-%m}" for file in files if file.period is not None]
    for turn in ("a run", "a run that finds it held"):
        began = _now()
        fetched = FetchedMonths(BARS.name, months, lake)
        manifests = lake.commit_all(BARS.name, ((month, rows, PROVENANCE) for month, rows in fetched))
        _line(turn, _now() - began, sum(manifest.rows or 0 for manifest in manifests))
    print(f"{sum(manifest.size for manifest in manifests) / 1e6:,.0f} MB in the lake", flush=True)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """The limit first, then pages, then the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=120, help="files of bars, 84,000 rows each; at least 24")
    months = parser.parse_args().months
    print(f"cores: {len(os.sched_getaffinity(0))}; threads of polars: {pl.thread_pool_size()}")
    measure_throttle()
    measure_pages()
    measure_bulk(months)


if __name__ == "__main__":
    main()
