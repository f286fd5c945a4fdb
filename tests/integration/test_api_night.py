"""Nights of the preset `jquants` as a user has them: processes, sockets, kills, refusals, a key without a trace."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.calendar import TOKYO
from resources.lake import Lake
from tests.integration.api_nights import (
    PERIOD,
    RAW,
    SHORT,
    SIMULATED,
    Machine,
    contents,
    ended,
    files_with,
    rows,
    twin,
)
from tests.integration.processes import ROOT, clean_environment, command

pytestmark = pytest.mark.slow

SECRET = "kE9-s3cr3t-0f-7he-4cc0unt"
TO = [part for asset in (*RAW, "features") for part in ("--to", asset)]
DEADLINE = 240.0


@dataclass(frozen=True)
class Evening:
    """A run over the twin and one over the simulated market itself.

    Attributes:
        machine: whose run it was.
        said: by the run.
        simulated: the lake of the other.
    """

    machine: Machine
    said: str
    simulated: Lake


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Evening:
    """Both runs side by side; the twin is gone afterwards."""
    store = tmp_path_factory.mktemp("demo")
    with twin("--key", SECRET) as port:
        machine = Machine(tmp_path_factory.mktemp("evening"), port, SECRET)
        demo = subprocess.Popen(
            command(store, "run", *TO, settings=[*SIMULATED, *PERIOD, *SHORT]),
            cwd=ROOT,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        code, said = machine.atft("run", *TO)
        assert code == 0, said
        code, simulated = ended(demo)
        assert code == 0, simulated
    return Evening(machine, said, Lake(store / "demo" / "lake"))


def test_the_api_gives_the_same_features_as_the_market_behind_it(evening: Evening) -> None:
    lake = evening.machine.lake
    made = contents(lake, "universe", "features")
    assert len(made) == 2 * 11
    assert made == contents(evening.simulated, "universe", "features")
    for name in RAW:
        found, expected = rows(lake, name), rows(evening.simulated, name)
        both = [column for column in expected.columns if column in found.columns]
        assert found.height > 0
        assert_frame_equal(found.select(both), expected.select(both), check_row_order=False)
        absent = set(expected.columns) - set(both)
        assert all(expected[column].null_count() == expected.height for column in absent)
    assert "daily_bars: 9 bulk files and 4 requests, about" in evening.said


def test_the_key_is_nowhere(evening: Evening) -> None:
    """Store, journal, records of Dagster and MLflow, the throttle's files, the home, everything that was said."""
    folder = evening.machine.folder
    assert len(files_with(folder, "equities/bars/daily")) > 2, "the search finds what is there"
    assert any(path.suffix == ".slots" for path in folder.rglob("*"))
    assert files_with(folder, SECRET) == []
    assert SECRET not in evening.said


def test_the_same_evening_once_more_asks_nothing(evening: Evening) -> None:
    machine = evening.machine
    before, asked = contents(machine.lake, *RAW, "features"), machine.journal("select * from answers")
    with socket.create_server(("127.0.0.1", machine.port)) as nobody:
        code, said = machine.atft("run", *TO)
        nobody.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has knocked
            nobody.accept()
    assert code == 0, said
    assert "Re-used, being current" in said
    assert contents(machine.lake, *RAW, "features") == before
    assert machine.journal("select * from answers") == asked


def test_days_that_are_asked_again_without_a_change_leave_everything_as_it_is(evening: Evening) -> None:
    """As on the next evening: the last week is asked again, day by day, what came as a file among it."""
    machine = evening.machine
    before, files = contents(machine.lake, *RAW, "features"), set(machine.store.glob("received/**/*.jsonl.zst"))
    yesterday = datetime.now(UTC) - timedelta(days=2)
    machine.journal(f"update answers set confirmed_at = '{yesterday.isoformat()}' where endpoint != 'trading_calendar'")
    week = (datetime.now(TOKYO).date() - date(2024, 11, 28)).days
    with twin("--key", SECRET, port=machine.port):
        code, said = machine.atft("run", *TO, settings=[f"source.api.lookback_days={week}"])
    assert code == 0, said
    assert re.search(r"daily_bars: \d requests", said), said
    again = {
        (name, day)
        for name, day in machine.journal(
            f"select endpoint, question from answers where confirmed_at > '{yesterday.isoformat()}'"
        )
    }
    assert {("daily_bars", "2024-12-03"), ("daily_bars", "2024-11-29"), ("short_ratio", "2024-12-02")} <= again
    assert contents(machine.lake, *RAW, "features") == before
    kept = set(machine.store.glob("received/**/*.jsonl.zst")) - files
    assert not [path for path in kept if "2024-12" in path.parent.name], "what is equal is not stored twice"
    manifest = machine.lake.manifest("daily_bars", "2024-12")
    assert manifest is not None
    assert manifest.revision == 2


def test_killed_in_the_middle_it_goes_on_and_asks_nothing_twice(evening: Evening, tmp_path: Path) -> None:
    with twin() as port:
        machine = Machine(tmp_path, port)
        with machine.start("run", *TO) as child:
            wait_for_answers(machine, child, 15)
            child.send_signal(signal.SIGKILL)
            child.wait()
        before = machine.questions()
        assert 15 <= len(before) < len(evening.machine.questions())
        code, said = machine.atft("run", *TO)
    assert code == 0, said
    assert contents(machine.lake, *RAW, "features") == contents(evening.machine.lake, *RAW, "features")
    after = machine.questions()
    assert set(before) < set(after)
    assert len(after) == len(set(after))
    # an answer that was asked for once more would have been confirmed by it
    twice = machine.journal("select endpoint, question from answers where confirmed_at != answered_at")
    assert {endpoint for endpoint, _ in twice} <= {"trading_calendar"}


def wait_for_answers(machine: Machine, child: subprocess.Popen[str], n: int) -> None:
    """So many answers are in the journal, and the run is still under way."""
    deadline = time.monotonic() + DEADLINE
    while len(machine.questions()) < n:
        assert child.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline, "too few answers came"
        time.sleep(0.02)


def test_a_key_that_expires_in_the_night_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    to = ["--to", "short_ratio", "--to", "topix"]
    with twin("--key", SECRET, "--fault", "expired_key,after=20") as port:
        machine = Machine(tmp_path, port, SECRET)
        code, said = machine.atft("run", *to)
        assert code == 1, said
        for word in ("AuthError", "invalid or has expired", "remedy: Look on the J-Quants dashboard"):
            assert word in said
        assert "Traceback" not in said
        assert SECRET not in said
    committed, answered = contents(machine.lake, "short_ratio", "topix"), machine.questions()
    assert {name.split("@")[0] for name in committed} == {"short_ratio"}
    assert "topix" in {endpoint for endpoint, _ in answered}
    with twin("--key", SECRET, port=port):
        code, said = machine.atft("run", *to)
    assert code == 0, said
    assert contents(machine.lake, "short_ratio") == committed
    assert "short_ratio: " not in said, "it is asked no more"
    assert set(answered) < set(machine.questions())
    assert len(machine.lake.partitions("topix")) == 11
    assert files_with(tmp_path, SECRET) == []


def test_the_doctor_looks_at_the_account(tmp_path: Path) -> None:
    with twin("--key", SECRET) as port:
        machine = Machine(tmp_path, port, SECRET)
        right = machine.start("doctor")
        smaller = replace(machine, plan="standard").start("doctor")
        stranger = replace(machine, key="another-key").start("doctor")
        _, said = ended(right)
        for what in ("key", "API", "plan", "clock"):
            assert re.search(rf"^well +{what} ", said, re.MULTILINE), said
        assert "which is plan premium; the settings say premium" in said
        code, said = ended(smaller)
        assert code == 1
        assert re.search(r"^problem plan .*\n +remedy +Run with --set source.api.plan=premium", said, re.MULTILINE), (
            said
        )
        code, said = ended(stranger)
        assert code == 1
        assert re.search(r"^problem API .*invalid or has expired.*\n +remedy +Look on", said, re.MULTILINE), said
        assert "another-key" not in said
        assert "Traceback" not in said


ASKS = """
import os, sys, time
from pathlib import Path
import httpx
from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.clock import SystemClock
from atft_pipeline.jquants.api.credentials import find_key

class Watched(httpx.HTTPTransport):
    def handle_request(self, request):
        sent = time.time()
        answer = super().handle_request(request)
        print(sent, answer.status_code, flush=True)
        return answer

key = find_key(os.environ, None)
with JQuantsClient(sys.argv[1], key, "premium", Path(sys.argv[2]), clock=SystemClock(), transport=Watched()) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(12):
        list(client.pages("/indices/bars/daily/topix", {"from": "20241203", "to": "20241203"}))
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes with one account, about to ask."""
    with twin() as port:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", ASKS, f"http://127.0.0.1:{port}/v2", str(tmp_path)],
                cwd=ROOT,
                env=clean_environment() | {"JQUANTS_API_KEY": "simulated-key"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        try:
            yield children
        finally:
            for child in children:
                child.kill()
                child.communicate()


def test_two_processes_share_the_limit(pair: list[subprocess.Popen[str]]) -> None:
    for child in pair:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    began = time.time()
    said = []
    for child in pair:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in pair:
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        said.append([line.split() for line in out.splitlines()])
    sent = [[float(moment) for moment, _ in lines] for lines in said]
    assert [len(moments) for moments in sent] == [12, 12]
    assert {status for lines in said for _, status in lines} == {"200"}
    assert max(min(moments) for moments in sent) < min(max(moments) for moments in sent), "they ask at the same time"
    slot = 60.0 / (500 * 0.95)
    assert max(map(max, sent)) - began >= 23 * slot
