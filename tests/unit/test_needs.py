"""What settings need of a source, and what a plan of the API leaves of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from atft_pipeline.errors import EndpointMissing, SettingsError
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.needs import MIN_SESSIONS, computable_families, require_sessions, warmup_sessions, without_unserved
from atft_pipeline.settings import load_settings

DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(700)]


@pytest.mark.parametrize(
    ("plan", "columns", "gone"),
    [
        ("free", 240, {"market", "cross_market", "flow", "margin", "short_selling"}),  # no index either
        ("light", 280, {"margin", "short_selling"}),
        ("standard", 306, set()),
        ("premium", 306, set()),
    ],
)
def test_a_plan_switches_off_the_families_that_it_cannot_serve(plan: PlanName, columns: int, gone: set[str]) -> None:
    settings = load_settings("jquants", environ={})
    left = without_unserved(settings, PLANS[plan].endpoints)
    assert set(settings.features.families) - set(left.features.families) == gone
    assert len(CONTRACT.select(left.features.families).columns) == columns
    assert left.model_copy(update={"features": settings.features}) == settings


def test_each_preset_has_the_columns_that_its_source_suffices_for() -> None:
    for preset, columns in {"tse": 246, "jquants": 306, "production": 306}.items():
        settings = load_settings(preset, environ={})
        assert len(CONTRACT.select(settings.features.families).columns) == columns
    prices = ("daily_bars", "equities_master", "topix", "trading_calendar")
    assert computable_families(prices) == load_settings("tse", environ={}).features.families


def test_a_plan_that_leaves_no_family_is_refused() -> None:
    settings = load_settings("jquants", {"features.families": ["market"]}, environ={})
    with pytest.raises(EndpointMissing, match="topix"):
        without_unserved(settings, PLANS["free"].endpoints)


def test_a_family_that_does_not_exist_is_not_taken_for_one_that_is_not_served() -> None:
    settings = load_settings("jquants", {"features.families": ["technical", "magic"]}, environ={})
    assert without_unserved(settings, PLANS["free"].endpoints).features.families == ("technical", "magic")


def test_a_period_holds_the_warm_up_and_sixty_sessions_more() -> None:
    settings = load_settings("demo", environ={})
    needed = warmup_sessions(settings) + MIN_SESSIONS
    require_sessions(settings, DAYS[:needed])
    with pytest.raises(SettingsError, match=f"{needed - 1} sessions of the period between 2020-01-01") as caught:
        require_sessions(settings, DAYS[: needed - 1])
    assert "shorten graph.window" in caught.value.remedy
    with pytest.raises(SettingsError, match="holds 0 sessions"):
        require_sessions(settings, [])
