"""The twin as a process of its own, and machines whose `atft` asks it: each with its home, its store and its key."""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa

from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.simulated_calendar import sessions_until
from atft_pipeline.jquants.twin import SIMULATED_KEY
from resources.lake import Lake
from tests.integration.processes import ATFT, ROOT, clean_environment, command

LAST = date(2024, 12, 3)
"""A Tuesday: nine months of bulk files, and two sessions that are asked for by themselves."""

N_CODES, N_SESSIONS = 160, 190
RAW = ("daily_bars", "equities_master", "topix", "margin_interest", "short_ratio")
PERIOD = [f"period.data_start={sessions_until(LAST, N_SESSIONS)[0]}", "period.sessions=null", f"period.end={LAST}"]
SHORT = [
    'features.families=["liquidity", "cross_market", "sector"]',
    "graph.window=120",
    "graph.min_common=60",
    "universe.min_trading_value=0",
]
SIMULATED = [
    f"source.simulator.n_codes={N_CODES}",
    f"source.simulator.n_sessions={N_SESSIONS}",
    f"source.simulator.last_session={LAST}",
]


@contextmanager
def twin(*options: str, port: int = 0) -> Iterator[int]:
    """A twin under the plan premium, and its port."""
    market = [f"--codes={N_CODES}", f"--sessions={N_SESSIONS}", f"--last-session={LAST}", "--plan=premium"]
    arguments = [*ATFT, "simulate-api", f"--port={port}", *market, *options]
    with subprocess.Popen(
        arguments, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:(\d+)/v2", line)
            assert address is not None, line
            yield int(address[1])
        finally:
            child.kill()


@dataclass(frozen=True)
class Machine:
    """A user's machine.

    Attributes:
        folder: holds everything that it writes.
        port: where its API is.
        key: of its account.
        plan: what its settings say.
    """

    folder: Path
    port: int
    key: str = SIMULATED_KEY
    plan: PlanName = "premium"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def lake(self) -> Lake:
        return Lake(self.store / "jquants" / "lake")

    @property
    def journal_file(self) -> Path:
        return self.store / "received" / f"127.0.0.1-{self.port}" / "journal.sqlite"

    def start(self, *arguments: str, settings: Sequence[str] = ()) -> subprocess.Popen[str]:
        """`atft <arguments> --preset jquants`, its output and errors in one stream."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        api = [f"source.api.base_url=http://127.0.0.1:{self.port}/v2", f"source.api.plan={self.plan}"]
        return subprocess.Popen(
            command(self.store, *arguments, "--preset", "jquants", settings=[*api, *PERIOD, *SHORT, *settings]),
            cwd=ROOT,
            env=clean_environment()
            | {"JQUANTS_API_KEY": self.key, "HOME": str(home), "XDG_STATE_HOME": str(self.folder / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def atft(self, *arguments: str, settings: Sequence[str] = ()) -> tuple[int, str]:
        """The same to its end: exit code and what it said."""
        return ended(self.start(*arguments, settings=settings))

    def journal(self, query: str) -> list[tuple[str, ...]]:
        """Rows of the journal; none before there is one."""
        if not self.journal_file.exists():
            return []
        with closing(sqlite3.connect(self.journal_file, timeout=60.0)) as journal, journal:
            return journal.execute(query).fetchall()

    def questions(self) -> list[tuple[str, ...]]:
        """What has been answered, the calendar left out: it is asked anew each day."""
        if not self.journal("select name from sqlite_master where name = 'answers'"):
            return []  # the file is there a moment before its table
        return self.journal("select endpoint, question from answers where endpoint != 'trading_calendar' order by 1, 2")


def ended(child: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process that ends by itself."""
    with child:
        said, _ = child.communicate(timeout=300)
    return child.returncode, said


def contents(lake: Lake, *assets: str) -> dict[str, str]:
    """Content hash of each month."""
    found = {}
    for asset in assets:
        for month in lake.partitions(asset):
            manifest = lake.manifest(asset, month)
            assert manifest is not None
            found[f"{asset}@{month}"] = manifest.content_hash
    return found


def rows(lake: Lake, asset: str) -> pl.DataFrame:
    """Every row with every column that a month has, without the time of its fetch."""
    months = [lake.scan(asset, [month]).collect() for month in lake.partitions(asset)]
    return pl.concat(months, how="diagonal").drop("fetched_at")


def files_with(folder: Path, text: str) -> list[Path]:
    """Files that hold the text, as it is or compressed."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and text.encode() in _content(path)]


def _content(path: Path) -> bytes:
    if path.suffix == ".zst":
        with pa.input_stream(os.fspath(path), compression="zstd") as stream:
            return bytes(stream.read())
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
