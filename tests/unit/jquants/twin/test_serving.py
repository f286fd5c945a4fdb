"""The command line: its options make a twin, and the twin is really there on a port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from atft_pipeline.calendar import TOKYO
from atft_pipeline.errors import SettingsError
from atft_pipeline.jquants.api.clock import SystemClock
from atft_pipeline.jquants.twin import serving
from atft_pipeline.jquants.twin.app import Twin
from atft_pipeline.jquants.twin.clocks import PretendedClock
from atft_pipeline.jquants.twin.faults import KINDS
from jobs.cli import main

from .twins import MARKET, tokyo

ROOT = Path(__file__).resolve().parents[4]


def made(monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[Twin, int]:
    """The twin and the port that a command line asks for."""
    served: list[tuple[Twin, int]] = []

    def keep(twin: Twin, port: int, say: Callable[[str], object]) -> None:
        served.append((twin, port))

    monkeypatch.setattr(serving, "serve", keep)
    result = CliRunner().invoke(main, ["simulate-api", *options])
    assert result.exit_code == 0, result.output
    return served[0]


def test_options_make_a_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    twin, port = made(
        monkeypatch,
        *("--port", "9999", "--plan", "light", "--key", "other", "--codes", "30", "--sessions", "70"),
        *("--last-session", "2026-10-31", "--page-rows", "50", "--fault", "cut,count=1", "--fault", "late_fins=2"),
    )
    assert (port, twin.plan, twin.key, twin.page_rows, len(twin.faults.faults)) == (9999, "light", "other", 50, 2)
    assert (twin.market.n_codes, twin.market.n_sessions) == (30, 70)
    assert twin.market.last_session == date(2026, 10, 30)  # the 31st is a Saturday
    assert abs((twin.clock.now() - tokyo("2026-10-30 20:00")).total_seconds()) < 60


def test_by_default_the_market_ends_with_the_latest_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    twin, port = made(monkeypatch)
    assert (port, twin.plan, twin.key, twin.market.n_codes, twin.page_rows) == (
        8765,
        "standard",
        "simulated-key",
        250,
        2000,
    )
    assert isinstance(twin.clock, SystemClock)
    assert 0 <= (datetime.now(TOKYO).date() - twin.market.last_session).days < 12


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-10-30T16:29", "2026-10-29"),
        ("2026-10-30T16:30", "2026-10-30"),
        ("2026-10-30T07:30:00Z", "2026-10-30"),
        ("2026-11-01T12:00:00", "2026-10-30"),
    ],
)
def test_a_pretended_moment_decides_the_last_session(monkeypatch: pytest.MonkeyPatch, now: str, last: str) -> None:
    twin, _ = made(monkeypatch, "--now", now)
    assert str(twin.market.last_session) == last


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fault", "storm"), "'storm' is not a kind of fault"),
        (("--now", "2020-01-01T00:00", "--last-session", "2026-10-30"), "before 20"),
        (("--plan", "gold"), "gold"),
        (("--codes", "5"), "5 is not in the range"),
    ],
)
def test_what_is_refused(options: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(main, ["simulate-api", *options])
    assert result.exit_code == 2
    assert words in result.output


def test_help_teaches_every_kind_of_fault() -> None:
    text = CliRunner().invoke(main, ["simulate-api", "--help"]).output
    assert all(kind.split("=")[0] in text for kind in KINDS)


def test_a_port_that_is_taken_is_named() -> None:
    twin = Twin(MARKET)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"--port {port}"):
            serving.serve(twin, port, print)


def test_a_pretended_clock_goes_on_from_its_start() -> None:
    clock = PretendedClock(tokyo("2026-10-30 20:00"))
    first = clock.now()
    assert first.tzinfo is UTC
    clock.sleep(0.01)
    assert 0.01 <= (clock.now() - first).total_seconds() < 5
    clock.sleep(0)


@pytest.mark.slow
def test_it_is_really_there_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "jobs.cli", "simulate-api", "--port", "0", "--codes", "20", "--sessions", "60"]
    command += ["--last-session", "2026-10-30", "--fault", "cut,after=1,count=1"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().split(" on ")[1].split(",")[0]
        assert "20 codes, 60 sessions" in process.stdout.readline()
        asked = {"date": "2026-10-30"}
        with httpx.Client(base_url=address, headers={"x-api-key": "simulated-key"}) as client:
            rows = client.get("/equities/bars/daily", params=asked).json()["data"]
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/equities/bars/daily", params=asked)
            assert client.get("/equities/bars/daily", params=asked).json()["data"] == rows
            file = client.get("/bulk/list", params={"endpoint": "/equities/bars/daily"}).json()["data"][0]
            url = client.get("/bulk/get", params={"key": file["Key"]}).json()["url"]
        assert len(httpx.get(url).content) == file["Size"]
        process.send_signal(signal.SIGINT)
        rest, said = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert "export JQUANTS_API_KEY=simulated-key" in rest
    assert f"--set source.api.base_url={address}" in rest
    assert rest.endswith("Ended.\n")
    assert "Traceback" not in said
    assert rows
