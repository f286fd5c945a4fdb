"""A tiny market, run once, and `atft ui` over it; both end with the last test of this folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page

from docs.browser import INSTALL, chromium, find_chromium, serving
from resources.lake import Lake
from tests.integration.processes import ROOT, atft, clean_environment, command
from tests.tiny import TINY, assignments


@dataclass(frozen=True)
class Site:
    """The pages of one run, and the lake that they tell of."""

    lake: Lake
    dagster: str
    mlflow: str


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. In this package only: its event loop is the main thread's as long as it lives."""
    binary = find_chromium()
    if binary is None and os.environ.get("ATFT_TEST_BROWSER") == "required":
        pytest.fail(f"No chromium found, and ATFT_TEST_BROWSER=required: {INSTALL}")
    if binary is None:
        pytest.skip(f"No chromium found: {INSTALL}")
    with chromium(binary) as started:
        yield started


@pytest.fixture(scope="package")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`atft run`, then `atft ui` on ports that are free. Asks for the browser so that none is made in vain."""
    store = tmp_path_factory.mktemp("site")
    ports = {"dagster": _free_port(), "mlflow": _free_port()}
    settings = [*assignments(TINY), *(f"pages.{name}_port={port}" for name, port in ports.items())]
    made = atft(store, "run", settings=settings)
    assert made.returncode == 0, made.stdout + made.stderr
    dagster, mlflow = (f"http://127.0.0.1:{port}" for port in ports.values())
    with serving(
        command(store, "ui", settings=settings),
        [f"{dagster}/server_info", f"{mlflow}/health"],
        store / "pages.log",
        folder=ROOT,
        environment=clean_environment(),
    ):
        yield Site(Lake(store / "demo" / "lake"), dagster, mlflow)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A new page that remembers nothing of the others; `tmp_path` gets its picture when the test fails."""
    opened = browser.new_page(viewport={"width": 1600, "height": 1200})
    yield opened
    opened.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the page as it was when a test failed, and say where."""
    given = getattr(item, "funcargs", {})
    if call.when == "call" and call.excinfo is not None and "page" in given:
        picture = given["tmp_path"] / "page.png"
        with suppress(Error):  # a browser that died has no picture; the test's own error matters more
            given["page"].screenshot(path=picture)
            call.excinfo.value.add_note(f"The page as it was: {picture}")
    return (yield)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
