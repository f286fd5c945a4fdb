"""The pictures of the README, made from the pages as a user sees them: `make screenshots` after `make run`.

Needs Chromium and a font (Debian: apt-get install --no-install-recommends chromium fonts-dejavu). The pages run on
ports of their own, so that an `atft ui` in use is not disturbed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from docs.browser import INSTALL, chromium, find_chromium, open_plot, serving

IMAGES = Path(__file__).parent / "images"
LAKE = Path(".atft/demo/lake")
DAGSTER_PORT, MLFLOW_PORT = 3310, 5310
DAGSTER, MLFLOW = f"http://127.0.0.1:{DAGSTER_PORT}", f"http://127.0.0.1:{MLFLOW_PORT}"


def lineage(page: Page) -> None:
    """The whole graph, by groups."""
    page.goto(f"{DAGSTER}/asset-groups")
    expect(page.locator("foreignObject").get_by_text("signals", exact=True)).to_be_visible()
    expect(page.get_by_text("fetching statuses")).to_have_count(0)


def asset(page: Page) -> None:
    """One asset with its metadata and a plot opened."""
    page.goto(f"{DAGSTER}/assets/evaluation?view=overview")
    open_plot(page, "cumulative_rank_ic")


def report(page: Page) -> None:
    """The top of the evaluation report."""
    page.goto(max(LAKE.glob("evaluation/*/*/report.html")).resolve().as_uri())


def shoot(browser: Browser, name: str, width: int, height: int) -> None:
    """One picture, when what it shows is there and the page asks for nothing more."""
    page = browser.new_page(viewport={"width": width, "height": height})
    {"lineage": lineage, "asset": asset, "report": report}[name](page)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    page.close()
    print(IMAGES / f"{name}.png")


def main() -> None:
    """Start the pages, take the pictures, stop the pages."""
    binary = find_chromium()
    if binary is None:
        raise SystemExit(f"No chromium found: {INSTALL}")
    if not any(LAKE.glob("evaluation/*/*/report.html")):
        raise SystemExit(f"No report under {LAKE}: make run")
    IMAGES.mkdir(exist_ok=True)
    atft = Path(sys.executable).with_name("atft")
    ports = ["--set", f"pages.dagster_port={DAGSTER_PORT}", "--set", f"pages.mlflow_port={MLFLOW_PORT}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving([str(atft), "ui", *ports], [f"{DAGSTER}/server_info", f"{MLFLOW}/health"], Path(folder, "pages.log")),
        chromium(binary) as browser,
    ):
        shoot(browser, "lineage", 1800, 1000)
        shoot(browser, "asset", 1600, 1200)
        shoot(browser, "report", 1200, 1500)


if __name__ == "__main__":
    main()
