"""Every simulated endpoint is typed without a failed cast, and nothing is published before it could be known."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import polars as pl
import pytest

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.jquants.endpoints import DTYPES, ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import SimulatorSettings

from .markets import DAILY_MARGIN, DEMO, SMALL


@cache
def table(name: str, settings: SimulatorSettings = DEMO) -> pl.DataFrame:
    source = SimulatedSource(settings)
    return to_typed(source.fetch(name, date(2000, 1, 1), date(2050, 1, 1)), ENDPOINTS[name]).frame


@cache
def calendar(settings: SimulatorSettings = DEMO) -> TradingCalendar:
    return TradingCalendar.from_frame(SimulatedSource(settings).calendar())


@pytest.mark.parametrize("settings", [SMALL, DAILY_MARGIN], ids=["2022", "2026"])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_rows_are_typed_without_a_failed_cast(name: str, settings: SimulatorSettings) -> None:
    endpoint, source = ENDPOINTS[name], SimulatedSource(settings)
    wire = source.fetch(name, date(2000, 1, 1), date(2050, 1, 1))
    typed = to_typed(wire, endpoint)
    assert wire.height > 0
    assert wire.schema[endpoint.date_column] == pl.String
    assert typed.failed_casts == {}
    assert typed.unknown_columns == ()
    assert typed.frame.select(endpoint.key).is_duplicated().sum() == 0
    assert all(typed.frame.schema[column] == DTYPES[endpoint.columns[column]] for column in typed.frame.columns)
    empty = source.fetch(name, date(1990, 1, 1), date(1990, 1, 31))
    assert empty.height == 0
    assert empty.schema == wire.schema


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"trading_calendar"}))
def test_dates_are_sessions_of_the_market(name: str) -> None:
    source = SimulatedSource(DEMO)
    days = table(name)[ENDPOINTS[name].date_column]
    assert days.min() >= source.first_session()  # type: ignore[operator]
    assert days.max() <= source.last_session()  # type: ignore[operator]
    assert set(days) <= set(calendar().sessions)


def test_investor_types_come_on_the_fourth_session_after_their_week() -> None:
    rows = table("investor_types")
    assert all(
        calendar().shift(end, 4) == published for published, end in rows.select("PubDate", "EnDate").unique().rows()
    )
    assert set(rows.filter(pl.col("StDate") >= date(2022, 4, 4))["Section"]) == {
        "TSEPrime", "TSEStandard", "TSEGrowth", "TokyoNagoya",
    }  # fmt: skip
    assert {"TSE1st", "TSE2nd", "TSEMothers", "TSEJASDAQ"} <= set(
        rows.filter(pl.col("StDate") < date(2022, 4, 4))["Section"]
    )
    parts = ["Ind", "Frgn", "SecCo", "InvTr", "BusCo", "OthCo", "InsCo", "Bank", "TrstBnk", "OthFin"]
    assert (rows.select(pl.sum_horizontal(f"{part}Bal" for part in parts)).to_series() == 0).all()
    assert (rows["FrgnTot"] == rows["FrgnSell"] + rows["FrgnBuy"]).all()
    assert (rows["FrgnBal"] == rows["FrgnBuy"] - rows["FrgnSell"]).all()


def test_margin_balances_are_weekly_and_later_daily() -> None:
    weekly = table("margin_interest", SMALL)
    assert weekly["PubDate"].null_count() == weekly["LongVal"].null_count() == weekly.height
    last_known = calendar(SMALL).shift(weekly["Date"].max(), 2)  # type: ignore[arg-type]
    assert last_known <= SimulatedSource(SMALL).last_session()
    assert weekly["Date"].unique().sort().diff().drop_nulls().min() >= timedelta(days=3)  # type: ignore[operator]
    both = table("margin_interest", DAILY_MARGIN)
    daily = both.filter(pl.col("Date") >= date(2026, 9, 25))
    assert daily["Date"].n_unique() == sum(
        date(2026, 9, 25) <= day < date(2026, 10, 30) for day in calendar(DAILY_MARGIN).sessions
    )
    assert daily["LongVal"].null_count() == 0
    assert all(
        calendar(DAILY_MARGIN).next_session(day) == published
        for day, published in daily.select("Date", "PubDate").unique().rows()
    )
    assert both.filter(pl.col("Date") < date(2026, 9, 25))["PubDate"].null_count() > 0
    assert (both["LongVol"] == both["LongNegVol"] + both["LongStdVol"]).all()
    assert (both.filter(pl.col("IssType") == "1")["ShrtVol"] == 0).all()


def test_alerts_speak_in_tokens() -> None:
    source = SimulatedSource(DEMO)
    wire = source.fetch("margin_alert", source.first_session(), source.last_session())
    assert (wire["LongOutChg"] == "-").sum() > 0
    typed = table("margin_alert")
    assert all(calendar().previous_session(day) == app for day, app in typed.select("PubDate", "AppDate").rows())
    assert typed["PubReason"].struct.unnest().unpivot()["value"].unique().sort().to_list() == ["0", "1"]
    assert (typed["ShrtOut"] == typed["ShrtNegOut"] + typed["ShrtStdOut"]).all()


def test_short_selling_has_a_row_for_every_industry_and_session() -> None:
    rows = table("short_ratio")
    assert rows.height == 33 * DEMO.n_sessions
    short = rows["ShrtWithResVa"] + rows["ShrtNoResVa"]
    share = short / (short + rows["SellExShortVa"])
    assert share.is_between(0.05, 0.75).all()
    assert 0.3 < share.mean() < 0.5  # type: ignore[operator]


def test_reported_positions_are_two_sessions_old() -> None:
    rows = table("short_sale_report")
    assert all(calendar().shift(day, -2) == calc for day, calc in rows.select("DiscDate", "CalcDate").rows())
    assert rows["ShrtPosToSO"].is_between(0.003, 0.04).all()
    known = rows.sort("DiscDate").with_columns(
        pl.col("ShrtPosToSO").shift(1).over("Code", "SSName").alias("before"),
    )
    assert known.drop_nulls("before").select((pl.col("before") == pl.col("PrevRptRatio")).all()).item()


def test_statements_are_cumulative_and_late() -> None:
    rows = table("financial_summaries")
    results = rows.filter(pl.col("DocType").str.contains("FinancialStatements"))
    lag = (results["DiscDate"] - results["CurPerEn"]).dt.total_days()
    assert lag.is_between(28, 65).all()
    one_year = results.sort("CurPerEn").with_columns(
        pl.col("Sales").shift(1).over("Code", "CurFYEn").alias("before"),
    )
    growth = one_year.drop_nulls("before").select((pl.col("Sales") > pl.col("before")).alias("more"))["more"]
    assert growth.all()
    assert len(growth) > 1000
    assert set(results.filter(pl.col("CFO").is_not_null())["CurPerType"]) == {"2Q", "FY"}
    assert results.filter(pl.col("CurPerType") == "FY")["NxFNp"].null_count() == 0
    assert results.filter(pl.col("CurPerType") != "FY")["FNP"].null_count() == 0
    assert rows["DiscNo"].is_sorted()
    assert rows["DiscTime"].str.contains(r"^\d\d:\d\d:\d\d$").all()


def test_revisions_hold_forecasts_only() -> None:
    revisions = table("financial_summaries").filter(pl.col("DocType") == "EarnForecastRevision")
    assert revisions.height > 20
    assert revisions["Sales"].null_count() == revisions.height
    assert revisions["FSales"].null_count() == 0


def test_share_figures_follow_splits() -> None:
    source = SimulatedSource(DEMO)
    market = source.market
    results = table("financial_summaries").drop_nulls("ShOutFY").sort("DiscDate")
    factor = market.tape.factor
    once = (factor != 1.0).sum(axis=0) == 1
    seen = 0
    for day, name in zip(*((factor == 0.5) & once).nonzero(), strict=True):
        shares = results.filter(pl.col("Code") == market.names.codes[name])
        before = shares.filter(pl.col("DiscDate") < market.sessions[day])["ShOutFY"]
        after = shares.filter(pl.col("DiscDate") >= market.sessions[day])["ShOutFY"]
        assert (before == market.names.shares[name]).all()
        assert (after == 2 * market.names.shares[name]).all()
        seen += (len(after) > 0) and (len(before) > 0)
    assert seen >= 3


def test_results_are_announced_ahead_and_sometimes_moved() -> None:
    dates, results = table("earnings_dates"), table("financial_summaries")
    assert (dates.drop_nulls("SchDate")["SchDate"] > dates.drop_nulls("SchDate")["PubDate"]).all()
    assert dates["SchDate"].null_count() > 10
    last = dates.sort("PubDate").group_by("Code", "FQName", "FYE", pl.col("SchDate").dt.year().alias("year")).last()
    disclosed = results.filter(pl.col("DocType").str.contains("FinancialStatements"))
    hits = last.join(disclosed, left_on=["Code", "SchDate"], right_on=["Code", "DiscDate"], how="semi")
    expected = last.filter(pl.col("SchDate") <= SimulatedSource(DEMO).last_session())
    assert hits.height / expected.height > 0.9
