"""The evaluation report as a file that somebody was sent: it needs nothing but itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_the_report_opens_by_itself(page: Page, site: Site) -> None:
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(error.message))
    address = site.lake.file("evaluation", None, "report.html").resolve().as_uri()
    page.goto(address, wait_until="networkidle")
    assert requests == [address]
    assert problems == []


def test_the_report_shows_the_headline_and_its_plots(page: Page, site: Site) -> None:
    page.goto(site.lake.file("evaluation", None, "report.html").resolve().as_uri())
    headline = page.get_by_role("table").first
    for model in ("atft_gat_fan", "ridge", "minus_volatility", "reversal"):
        expect(headline.get_by_role("row").filter(has_text=model)).to_be_visible()
    expect(headline.get_by_role("columnheader", name="RankIC", exact=True)).to_be_visible()
    figures = page.get_by_role("figure")
    expect(figures.filter(has_text="Cumulative RankIC").locator("svg")).to_be_visible()
    for figure in figures.all():
        box = figure.locator("svg").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 100
