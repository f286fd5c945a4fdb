"""Dagster's page: the graph, an asset with its figures and checks, and assets made from it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from docs.browser import open_plot
from tests.browser.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.browser]

GROUPS = ("raw", "features", "normalization", "cache", "graphs", "folds", "models", "evaluation", "signals")
RUN_MILLISECONDS = 90_000


def test_the_lineage_page_shows_every_group(page: Page, site: Site) -> None:
    page.goto(f"{site.dagster}/asset-groups")
    nodes = page.locator("foreignObject")
    expect(nodes).to_have_count(len(GROUPS))
    for group in GROUPS:
        expect(nodes.get_by_text(group, exact=True)).to_be_visible()


def test_an_asset_shows_its_metadata_and_its_plot(page: Page, site: Site) -> None:
    page.goto(f"{site.dagster}/assets/purged_folds?view=overview")
    manifest = site.lake.manifest("purged_folds")
    assert manifest is not None
    expect(_metadata(page, "folds")).to_have_text("2")
    expect(_metadata(page, "table")).to_contain_text("fold_1")
    expect(_metadata(page, "path")).to_contain_text(manifest.version)

    plot = open_plot(page, "timeline")
    assert str(plot.get_attribute("src")).startswith("data:image/png;base64,")
    assert plot.evaluate("image => image.complete && image.naturalWidth") > 100


def test_an_asset_shows_its_checks_and_their_state(page: Page, site: Site) -> None:
    page.goto(f"{site.dagster}/assets/purged_folds?view=checks")
    expect(page.get_by_text("Checks (2)")).to_be_visible()
    kinds = {"no_training_label_meets_a_test_label": "blocking", "inputs_are_current": "non-blocking"}
    for check, kind in kinds.items():
        page.get_by_title(check).first.click()
        expect(page.get_by_text(f"This is a {kind} asset check.")).to_be_visible()
        expect(page.get_by_text("Passed", exact=True)).to_be_visible()


def test_an_asset_made_from_the_page_is_committed_anew_and_the_same(page: Page, site: Site) -> None:
    before = site.lake.manifest("purged_folds")
    page.goto(f"{site.dagster}/assets/purged_folds")
    page.get_by_role("button", name="Materialize").click()
    _wait_for_success(page)
    after = site.lake.manifest("purged_folds")
    assert before is not None
    assert after is not None
    assert after.revision == before.revision + 1
    assert after.content_hash == before.content_hash


def test_a_month_made_from_the_page_is_committed_anew_and_the_same(page: Page, site: Site) -> None:
    months = site.lake.partitions("topix")
    before = [site.lake.manifest("topix", month) for month in months]
    page.goto(f"{site.dagster}/assets/topix")
    page.get_by_role("button", name="Materialize…").click()
    page.get_by_role("button", name="Latest", exact=True).click()
    page.get_by_role("button", name="Launch 1 run").click()
    _wait_for_success(page)
    after = [site.lake.manifest("topix", month) for month in months]
    assert after[:-1] == before[:-1]
    assert before[-1] is not None
    assert after[-1] is not None
    assert after[-1].revision == before[-1].revision + 1
    assert after[-1].content_hash == before[-1].content_hash


def _metadata(page: Page, key: str) -> Locator:
    """The value of a key; before it stand the key and the time."""
    return page.get_by_role("row").filter(has=page.get_by_text(key, exact=True)).get_by_role("cell").nth(2)


def _wait_for_success(page: Page) -> None:
    """Follow the message of the launch to the run's page, until it says that the run ended well."""
    expect(page.get_by_text("Launched run")).to_be_visible()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*")
    ended = page.get_by_text("Success", exact=True).or_(page.get_by_text("Failure", exact=True))
    expect(ended).to_have_text("Success", timeout=RUN_MILLISECONDS)
