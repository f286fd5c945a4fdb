"""The two web pages: started together on loopback, stopped together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import click

from atft_pipeline.errors import AtftError
from resources.mlflow_tracking import open_store, store_uri
from resources.structure import structure

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
GRACE_SECONDS = 15.0


def serve() -> None:
    """Start `dagster dev` and `mlflow server` and wait; Ctrl-C or SIGTERM ends both.

    Raises:
        AtftError: one of the two ended by itself.
    """
    home, pages = structure().settings.home.resolve(), structure().settings.pages
    open_store(home)
    binaries = Path(sys.executable).parent
    commands = {
        "dagster": [
            str(binaries / "dagster"),
            "dev",
            "-w",
            str(ROOT / "workspace.yaml"),
            "-h",
            HOST,
            "-p",
            str(pages.dagster_port),
        ],
        "mlflow": [
            *(str(binaries / "mlflow"), "server", "--backend-store-uri", store_uri(home)),
            *("--artifacts-destination", str(home / "mlflow" / "artifacts")),
            *("--host", HOST, "--port", str(pages.mlflow_port), "--workers", "1"),
        ],
    }
    # from the home, because `dagster dev` lets an .env file of its folder override DAGSTER_HOME: that of the demo
    children = {name: subprocess.Popen(command, cwd=home) for name, command in commands.items()}
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    click.echo(f"Dagster  {pages.dagster}\nMLflow   {pages.mlflow}\nCtrl-C ends both.")
    try:
        while not stopping:
            ended = [name for name, child in children.items() if child.poll() is not None]
            if ended:
                raise AtftError(
                    f"{ended[0]} ended with code {children[ended[0]].returncode}.",
                    remedy="Read its output above; a port in use is the usual cause (--set pages.dagster_port=3001).",
                )
            time.sleep(0.5)
    finally:
        for child in children.values():
            child.terminate()
        for child in children.values():
            try:
                child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
