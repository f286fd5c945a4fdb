"""Chromium and the two pages, as `make screenshots` and the browser tests start them."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

BINARIES = ("chromium", "google-chrome")
INSTALL = "apt-get install --no-install-recommends chromium"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""A browser that asks nothing of the network but what its pages ask."""
PATIENCE_SECONDS = 30.0
START_SECONDS = 120.0


def find_chromium() -> str | None:
    """The browser of this system, if it has one."""
    return next((path for path in map(shutil.which, BINARIES) if path), None)


@contextmanager
def chromium(binary: str) -> Iterator[Browser]:
    """A headless browser with a new, empty profile; a page waits up to `PATIENCE_SECONDS` for what it is asked."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(
    command: Sequence[str],
    addresses: Sequence[str],
    log: Path,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """`atft ui` from when all addresses answer until the block ends; then SIGTERM.

    Raises:
        RuntimeError: it ended by itself, an address does not answer, or a process outlived its end.
    """
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as served,
    ):
        try:
            for address in addresses:
                _wait_for(address, served, log)
            yield
        finally:
            _end(served, log)


def open_plot(page: Page, key: str) -> Locator:
    """Click the link behind which an asset's page keeps a figure; gives the image."""
    row = page.get_by_role("row").filter(has=page.get_by_text(key, exact=True))
    row.get_by_text("[Show Markdown]").click()
    image = page.get_by_role("img", name="plot", exact=True)
    expect(image).to_be_visible()
    return image


def _wait_for(address: str, served: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while served.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"{address} did not answer within {START_SECONDS:.0f} s. {_last_words(served, log)}")


def _end(served: subprocess.Popen[bytes], log: Path) -> None:
    children = psutil.Process(served.pid).children(recursive=True) if served.poll() is None else []
    served.terminate()
    try:
        served.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        served.kill()
    _, left = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    for process in left:
        process.kill()
    if left or served.wait():
        raise RuntimeError(f"The server left {len(left)} processes behind. {_last_words(served, log)}")


def _last_words(served: subprocess.Popen[bytes], log: Path) -> str:
    return f"Its exit code is {served.poll()}, and it said:\n{log.read_text()[-3000:]}"
