"""MLflow's page: a run with its children, and the way to it from Dagster's page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_run_has_a_child_for_each_asset(page: Page, site: Site) -> None:
    made = site.lake.manifest("evaluation")
    assert made is not None
    page.goto(f"{site.mlflow}/#/experiments/1/runs")
    parent = page.get_by_role("link", name=f"dagster {made.run_id[:8]}")
    expect(parent).to_be_visible()
    child = page.get_by_role("link", name="evaluation", exact=True)
    expect(child).to_have_count(0)
    page.get_by_role("row").filter(has=parent).get_by_role("button").click()
    expect(child).to_be_visible()
    for name in ("champion_model", "fold_models/full", "fold_models/fold_0", "purged_folds", "features"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_an_asset_leads_to_its_run_with_its_metrics(page: Page, site: Site) -> None:
    page.goto(f"{site.dagster}/assets/evaluation?view=overview")
    address = page.get_by_role("link", name=f"{site.mlflow}/#/experiments")
    target = address.get_attribute("href")
    assert target is not None
    page.goto(target)
    expect(page.get_by_role("heading", name="evaluation")).to_be_visible()
    expect(page.get_by_text("rank_ic", exact=True)).to_be_visible()
