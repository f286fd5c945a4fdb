"""Runs of `atft` as processes of their own, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tiny import TINY, assignments

ROOT = Path(__file__).resolve().parents[2]
ATFT = [sys.executable, "-m", "jobs.cli"]


def clean_environment() -> dict[str, str]:
    """The environment without what this test process fixed for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ATFT_", "DAGSTER_"))}


def command(store: Path, *arguments: str, settings: list[str] | None = None) -> list[str]:
    """`atft <arguments>` on the tiny market in a store of its own; `--help` alone takes no settings."""
    if arguments == ("--help",):
        return [*ATFT, "--help"]
    given = [f"store={store}", *(assignments(TINY) if settings is None else settings)]
    return [*ATFT, *arguments, *(part for setting in given for part in ("--set", setting))]


def atft(store: Path, *arguments: str, settings: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end and capture what it says."""
    return subprocess.run(
        command(store, *arguments, settings=settings),
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
