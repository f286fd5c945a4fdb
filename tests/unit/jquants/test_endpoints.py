"""The table of endpoints agrees with itself and with V2's names."""

from __future__ import annotations

import polars as pl
import pytest

from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint

NAMES = {
    "trading_calendar",
    "equities_master",
    "daily_bars",
    "topix",
    "investor_types",
    "margin_interest",
    "margin_alert",
    "short_ratio",
    "short_sale_report",
    "financial_summaries",
    "earnings_dates",
}


def test_every_raw_asset_has_an_endpoint() -> None:
    assert set(ENDPOINTS) == NAMES


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_required_key_and_date_are_columns(endpoint: Endpoint) -> None:
    assert {*endpoint.required, *endpoint.key, endpoint.date_column} <= set(endpoint.columns)
    assert endpoint.date_column in endpoint.required
    assert endpoint.schema[endpoint.date_column] == pl.Date()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("daily_bars", "equities_bars_daily"),
        ("topix", "indices_bars_daily_topix"),
        ("trading_calendar", "markets_calendar"),
        ("short_sale_report", "markets_short_sale_report"),
    ],
)
def test_files_are_named_after_the_path(name: str, stem: str) -> None:
    assert ENDPOINTS[name].file_stem == stem


def test_spellings_that_are_easily_got_wrong() -> None:
    bars, summaries = ENDPOINTS["daily_bars"].columns, ENDPOINTS["financial_summaries"].columns
    assert bars["ALL"] == "text"  # the afternoon's lower limit, not an SQL keyword
    assert {"NxFNp2Q", "NxFNp"} <= set(summaries)
    assert len(ENDPOINTS["investor_types"].columns) == 4 + 13 * 4
    assert len(ENDPOINTS["margin_interest"].columns) == 16
    assert len(summaries) == 111
