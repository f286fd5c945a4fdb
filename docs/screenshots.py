"""The pictures of the README, made from the pages as a user sees them: `make screenshots` after `make run`.

Needs Chromium (Debian: apt-get install --no-install-recommends chromium fonts-dejavu). The pages run on ports of their
own, so that an `atft ui` in use is not disturbed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
DAGSTER_PORT, MLFLOW_PORT = 3310, 5310
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def wait_for(address: str, seconds: float = 90.0) -> None:
    """Until a page answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise SystemExit(f"{address} did not answer within {seconds:.0f} s")


def shoot(browser: str, address: str, name: str, size: str) -> None:
    """One picture; pages are given time to draw."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, *QUIET, f"--user-data-dir={profile}", f"--window-size={size}"),
                *("--timeout=20000", "--virtual-time-budget=20000", f"--screenshot={IMAGES / name}", address),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    print(IMAGES / name)


def main() -> None:
    """Start the pages, take the pictures, stop the pages."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("No chromium found: apt-get install --no-install-recommends chromium")
    IMAGES.mkdir(exist_ok=True)
    atft = Path(sys.executable).with_name("atft")
    ports = ["--set", f"pages.dagster_port={DAGSTER_PORT}", "--set", f"pages.mlflow_port={MLFLOW_PORT}"]
    dagster = f"http://127.0.0.1:{DAGSTER_PORT}"
    with subprocess.Popen([str(atft), "ui", *ports], start_new_session=True) as pages:
        try:
            wait_for(f"{dagster}/server_info")
            wait_for(f"http://127.0.0.1:{MLFLOW_PORT}/health")
            shoot(browser, f"{dagster}/asset-groups", "lineage.png", "1800,1000")
            shoot(browser, f"{dagster}/assets/features?view=overview", "asset.png", "1600,1200")
        finally:
            pages.send_signal(signal.SIGTERM)
            pages.wait(30)
    report = sorted(Path(".atft/demo/lake/evaluation").rglob("report.html"))
    if report:
        shoot(browser, report[-1].resolve().as_uri(), "report.png", "1200,1500")


if __name__ == "__main__":
    main()
