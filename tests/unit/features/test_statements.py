"""Disclosures of a stock whose close is 1000 yen, computed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import polars as pl
import pytest

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.features.families.statement_rows import decision_sessions
from tests.small_tables import Row, features_by_day, weekdays

SESSIONS = weekdays(date(2024, 4, 1), date(2026, 11, 13))
MONTHS = {"1Q": 3, "2Q": 6, "3Q": 9, "FY": 12}
CONSOLIDATED = "FinancialStatements_Consolidated_JP"


def month_end(year: int, month: int) -> date:
    """Last day of a month; month 13 is the January after."""
    months = 12 * year + month
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def result(day: date, quarter: str, year: int, **figures: object) -> Row:
    """A result of the fiscal year that ends in March of `year`, disclosed at noon."""
    return {
        "DiscDate": day,
        "DiscTime": "12:00:00",
        "DiscNo": f"{day:%Y%m%d}000001",
        "DocType": quarter + CONSOLIDATED,
        "CurPerType": quarter,
        "CurPerEn": month_end(year - 1, 3 + MONTHS[quarter]),
        "CurFYSt": date(year - 1, 4, 1),
        "CurFYEn": month_end(year, 3),
        **figures,
    }


def revision(day: date, year: int, **figures: object) -> Row:
    """A revision of the forecast alone: the actual figures are blank."""
    return {**result(day, "2Q", year), "DocType": "EarnForecastRevision", **figures}


def statements(*rows: Row, splits: Mapping[date, float] | None = None) -> dict[date, dict[str, float | None]]:
    """The family by session, the rows in a wrong order."""
    return features_by_day(["statements"], SESSIONS, splits, financial_summaries=rows[::-1])


Q1_2025, FY_2025, Q1_2026 = date(2024, 8, 8), date(2025, 5, 9), date(2025, 8, 8)
YEAR = (
    result(Q1_2025, "1Q", 2025, Sales=20.0, OP=4.0, NP=2.0, EPS=5.0),
    result(FY_2025, "FY", 2025, Sales=100.0, OP=10.0, NP=5.0, EPS=20.0),
    result(Q1_2026, "1Q", 2026, Sales=30.0, OP=2.0, NP=3.0, EPS=7.0, TA=100.0, Eq=50.0, EqAR=0.45),
)
"""A year with its first quarter, and the first quarter of the next."""


def test_the_family_has_16_columns() -> None:
    assert len(CONTRACT.select(["statements"]).columns) == 16


@pytest.mark.parametrize("day", [date(2024, 11, 1), date(2024, 11, 2), date(2024, 11, 5), date(2026, 3, 31)])
@pytest.mark.parametrize("clock", ["09:00", "14:59:59", "15:00:00", "15:29:59", "15:30", "16:00:00", "9:05:00"])
def test_the_session_of_a_disclosure_is_the_calendars(day: date, clock: str) -> None:
    """Before the close that day's session, from the close on the next; a day without session, the next."""
    calendar = TradingCalendar(tuple(SESSIONS))
    found = decision_sessions(pl.Series([day]), pl.Series([clock]), calendar).item()
    assert found == calendar.decision_session(
        datetime.combine(day, time.fromisoformat("0" * clock.startswith("9") + clock))
    )


@pytest.mark.parametrize("clock", [None, "", "noon"])
def test_a_missing_time_is_after_the_close(clock: str | None) -> None:
    days, times = pl.Series([date(2024, 11, 1)]), pl.Series([clock], dtype=pl.String)
    assert decision_sessions(days, times, TradingCalendar(tuple(SESSIONS))).item() == date(2024, 11, 4)


@pytest.mark.parametrize(
    ("day", "clock", "first"),
    [
        (date(2024, 11, 1), "14:59:00", date(2024, 11, 1)),
        (date(2024, 11, 1), "15:00:00", date(2024, 11, 4)),
        (date(2024, 11, 5), "15:00:00", date(2024, 11, 5)),
        (date(2024, 11, 5), "15:30:00", date(2024, 11, 6)),
        (date(2024, 11, 5), None, date(2024, 11, 6)),
    ],
)
def test_a_disclosure_counts_from_its_session_on(day: date, clock: str | None, first: date) -> None:
    """The close was 15:00 until 2024-11-01 and is 15:30 from 2024-11-05: before it is seen that day, else the next."""
    rows = statements({**result(day, "2Q", 2025, BPS=500.0), "DiscTime": clock})
    before = SESSIONS[SESSIONS.index(first) - 1]
    assert rows[before]["book_yield"] is None
    assert rows[before]["statement_days_since"] is None
    assert rows[first]["book_yield"] == pytest.approx(0.5)
    assert rows[first]["statement_days_since"] == 0


def test_growth_is_of_the_same_span_a_year_before() -> None:
    """First quarter against first quarter: 30 after 20, 2 after 4, 3 after 2; nothing before there is a year."""
    rows = statements(*YEAR)
    assert rows[FY_2025]["sales_growth"] is None
    assert rows[Q1_2026]["sales_growth"] == pytest.approx(2 * 10 / 50)
    assert rows[Q1_2026]["operating_profit_growth"] == pytest.approx(-2 * 2 / 6)
    assert rows[Q1_2026]["net_profit_growth"] == pytest.approx(2 * 1 / 5)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (1.0, 1.1, 2 * 0.1 / 2.1),
        (-1.0, 1.0, 2.0),
        (1.0, -3.0, -2.0),
        (-2.0, -1.0, 2 / 3),
        (0.0, 5.0, 2.0),
        (0.0, 0.0, 0.0),
    ],
)
def test_growth_across_zero(before: float, now: float, expected: float) -> None:
    """Bounded by 2 and -2, whatever the sign of the base."""
    rows = statements(result(Q1_2025, "1Q", 2025, NP=before), result(Q1_2026, "1Q", 2026, NP=now))
    assert rows[Q1_2026]["net_profit_growth"] == pytest.approx(expected)


def test_margins_and_roe_are_of_the_trailing_year() -> None:
    """Sales 100 + 30 - 20 = 110, OP 10 + 2 - 4 = 8, NP 5 + 3 - 2 = 6, equity 45 = 100 x 0.45."""
    rows = statements(*YEAR)
    assert rows[FY_2025]["operating_margin"] == pytest.approx(0.1)
    assert rows[Q1_2026]["operating_margin"] == pytest.approx(8 / 110)
    assert rows[Q1_2026]["net_margin"] == pytest.approx(6 / 110)
    assert rows[Q1_2026]["return_on_equity"] == pytest.approx(6 / 45)
    assert rows[Q1_2025]["operating_margin"] is None


def test_ratios_to_nothing_are_unknown_and_the_rest_is_clipped() -> None:
    """No sales: no margin; ten times the sales lost: -2. Equity gone: no ROE."""
    none = statements(result(FY_2025, "FY", 2025, Sales=0.0, OP=-5.0, NP=-5.0, Eq=-1.0))[FY_2025]
    assert [none[name] for name in ("operating_margin", "net_margin", "return_on_equity")] == [None] * 3
    assert statements(result(FY_2025, "FY", 2025, Sales=1.0, OP=-10.0))[FY_2025]["operating_margin"] == -2


def test_progress_is_over_last_years_share() -> None:
    """Last year the first quarter was 4 of 10. Now 2 of 8: 0.25 - 0.4. Revised to 4: 0.5 - 0.4. The year: 5 of 4."""
    forecast = {**YEAR[2], "FOP": 8.0}
    revised, full = date(2025, 9, 10), date(2026, 5, 8)
    rows = statements(
        *YEAR[:2], forecast, revision(revised, 2026, FOP=4.0), result(full, "FY", 2026, OP=5.0, NxFOP=50.0)
    )
    assert rows[Q1_2026]["forecast_progress"] == pytest.approx(0.25 - 0.4)
    assert rows[date(2025, 9, 9)]["forecast_progress"] == pytest.approx(0.25 - 0.4)
    assert rows[revised]["forecast_progress"] == pytest.approx(0.5 - 0.4)
    assert rows[full]["forecast_progress"] == pytest.approx(5 / 4 - 1)


def test_progress_without_a_usual_share_is_over_the_months() -> None:
    """No year before: 2 of 8 after 3 of 12 months. A loss that is forecast has no progress."""
    rows = statements(result(Q1_2026, "1Q", 2026, OP=2.0, FOP=8.0))
    assert rows[Q1_2026]["forecast_progress"] == pytest.approx(0.0)
    rows = statements(result(Q1_2026, "1Q", 2026, OP=2.0, FOP=-8.0))
    assert rows[Q1_2026]["forecast_progress"] is None


def test_a_forecast_does_not_make_an_old_result_young() -> None:
    """A result stands for 250 sessions, also if the forecast is revised in between."""
    rows = statements(result(SESSIONS[20], "1Q", 2025, OP=2.0), revision(SESSIONS[260], 2025, FOP=8.0))
    assert rows[SESSIONS[270]]["forecast_progress"] == pytest.approx(0.0)
    assert rows[SESSIONS[271]]["forecast_progress"] is None
    assert rows[SESSIONS[271]]["operating_forecast_revision"] == 0


def test_a_comparison_is_at_most_330_sessions_older() -> None:
    """Known 330 sessions before: compared. Known 331 before: unknown."""
    for sessions, expected in ((330, 0.4), (331, None)):
        first, then = SESSIONS[100], SESSIONS[100 + sessions]
        rows = statements(result(first, "1Q", 2025, Sales=20.0), result(then, "1Q", 2026, Sales=30.0))
        assert rows[then]["sales_growth"] == pytest.approx(expected)


def test_the_oldest_rows_that_count_are_within_the_warmup() -> None:
    """As far back as rows are looked for, the first one after the close: the panel that begins a warm-up before has it.

    With a split on the first session on which it counts, so that the share basis of its own day is needed too.
    """
    evening = {"DiscTime": "16:00:00", "DiscDate": SESSIONS[59]}
    quarter = {**result(SESSIONS[59], "1Q", 2025, Sales=20.0, FEPS=40.0), **evening}
    splits, t = {SESSIONS[60]: 0.5}, SESSIONS[640]
    for then, name, expected in (
        (result(SESSIONS[390], "1Q", 2026, Sales=30.0), "sales_growth", 0.4),
        (result(SESSIONS[310], "FY", 2025, EPS=25.0), "eps_surprise", 5.0 / 500.0),
    ):
        told = [quarter, then]
        for first in (SESSIONS[0], t):
            row = features_by_day(["statements"], SESSIONS, splits, first, financial_summaries=told)[t]
            assert row[name] == pytest.approx(expected)


def test_a_revision_is_against_the_forecast_before_of_the_same_year() -> None:
    """First 100: 0. Then 110: 2 x 10 / 210. Repeated: 0. The next year's first: 0 again."""
    days = date(2024, 8, 8), date(2024, 9, 10), date(2024, 11, 8), date(2025, 5, 9)
    rows = statements(
        result(days[0], "1Q", 2025, FOP=100.0),
        revision(days[1], 2025, FOP=110.0),
        result(days[2], "2Q", 2025, FOP=110.0),
        result(days[3], "FY", 2025, NxFOP=50.0),
    )
    found = [rows[day]["operating_forecast_revision"] for day in days]
    assert found == pytest.approx([0, 20 / 210, 0, 0])
    assert rows[date(2024, 11, 7)]["operating_forecast_revision"] == pytest.approx(20 / 210)


def test_next_years_forecast_is_the_first_of_that_year() -> None:
    """50 for the next year with the year's result, 60 with its first quarter."""
    rows = statements(result(FY_2025, "FY", 2025, NxFOP=50.0), result(Q1_2026, "1Q", 2026, FOP=60.0))
    assert rows[Q1_2026]["operating_forecast_revision"] == pytest.approx(20 / 110)


def test_eps_forecasts_meet_on_one_share_basis() -> None:
    """100 a share, then 1:2, then 55: 10% up, not 45% down. On the ex-date itself the figure is the new one."""
    days, ex_date = (date(2024, 8, 8), date(2024, 11, 8)), date(2024, 9, 27)
    rows = statements(
        result(days[0], "1Q", 2025, FEPS=100.0), result(days[1], "2Q", 2025, FEPS=55.0), splits={ex_date: 0.5}
    )
    assert rows[days[1]]["eps_forecast_revision"] == pytest.approx(2 * 5 / 105)
    rows = statements(
        result(days[0], "1Q", 2025, FEPS=100.0), result(days[1], "2Q", 2025, FEPS=55.0), splits={days[1]: 0.5}
    )
    assert rows[days[1]]["eps_forecast_revision"] == pytest.approx(2 * 5 / 105)


def test_the_surprise_is_against_the_last_forecast_before() -> None:
    """EPS 25 after forecasts of 30 and 20: 5 of 1000 yen. Kept through the next quarter and through a split."""
    days = date(2024, 8, 8), date(2025, 2, 7)
    forecasts = result(days[0], "1Q", 2025, FEPS=30.0), revision(days[1], 2025, FEPS=20.0)
    full, quarter = result(FY_2025, "FY", 2025, EPS=25.0, NxFEPS=99.0), result(Q1_2026, "1Q", 2026, EPS=1.0)
    for splits in ({}, {date(2025, 6, 27): 0.5}, {date(2025, 3, 28): 0.5, FY_2025: 2.0}):
        rows = statements(*forecasts, full, quarter, splits=splits)
        assert rows[date(2025, 5, 8)]["eps_surprise"] is None
        assert rows[FY_2025]["eps_surprise"] == pytest.approx(0.005)
        assert rows[date(2025, 9, 5)]["eps_surprise"] == pytest.approx(0.005)


def test_accruals_stand_until_the_next_cash_flow() -> None:
    """(10 - 4) / 200 in half a year: 6% a year. The third quarter tells no cash flow."""
    half, third = date(2024, 11, 8), date(2025, 2, 7)
    rows = statements(
        result(half, "2Q", 2025, NP=10.0, CFO=4.0, TA=200.0), result(third, "3Q", 2025, NP=99.0, TA=200.0)
    )
    assert rows[half]["accruals"] == pytest.approx(0.06)
    assert rows[third]["accruals"] == pytest.approx(0.06)


@pytest.mark.parametrize("ex_date", [None, date(2024, 9, 2), date(2025, 6, 27), date(2025, 9, 1)])
def test_trailing_earnings_meet_the_price_on_its_basis(ex_date: date | None) -> None:
    """20 + 7 - 5 = 22 of 1000 yen a share, whenever the split came: each figure is of the shares of its day."""
    later = {day: 0.5 if ex_date and ex_date <= day else 1.0 for day in (Q1_2025, FY_2025, Q1_2026)}
    told = [{**row, "EPS": float(str(row["EPS"])) * later[day]} for row, day in zip(YEAR, later, strict=True)]
    rows = statements(*told, splits={ex_date: 0.5} if ex_date else None)
    assert rows[Q1_2026]["earnings_yield"] == pytest.approx(0.022)
    assert rows[date(2025, 10, 1)]["earnings_yield"] == pytest.approx(0.022)


def test_book_value_and_dividend() -> None:
    """BPS 500; without it 90 x 0.5 over 0.1 - 0.01 shares = 500; a consolidation 10:1 between; 30 yen of dividend."""
    day, later, ex_date = date(2024, 8, 8), date(2024, 11, 1), date(2024, 10, 1)
    derived = {"TA": 90.0, "EqAR": 0.5, "ShOutFY": 0.1, "TrShFY": 0.01}
    for figures in ({"BPS": 500.0}, derived, {"BPS": 500.0, **derived, "TA": 1.0}):
        rows = statements(result(day, "1Q", 2025, FDivAnn=30.0, **figures), splits={ex_date: 10.0})
        for t in (day, later):
            assert rows[t]["book_yield"] == pytest.approx(0.5)
            assert rows[t]["dividend_yield"] == pytest.approx(0.03)


def test_the_dividend_is_the_forecast_or_what_was_paid() -> None:
    """After the year the next year's forecast; undecided, what was paid; a revision replaces both."""
    revised = date(2025, 9, 10)
    rows = statements(
        result(Q1_2025, "1Q", 2025, FDivAnn=30.0),
        result(FY_2025, "FY", 2025, DivAnn=32.0, NxFDivAnn=36.0),
        result(Q1_2026, "1Q", 2026),
        {**revision(revised, 2026, FDivAnn=40.0), "DocType": "DividendForecastRevision"},
    )
    found = [rows[day]["dividend_yield"] for day in (Q1_2025, FY_2025, Q1_2026, revised)]
    assert found == pytest.approx([0.03, 0.036, 0.036, 0.04])
    rows = statements(result(FY_2025, "FY", 2025, DivAnn=32.0))
    assert rows[FY_2025]["dividend_yield"] == pytest.approx(0.032)


def test_days_since_and_stale() -> None:
    """0 on the day, 120 is not stale yet, 121 is; after 250 sessions the day is unknown and stale all the same."""
    rows = statements(result(SESSIONS[10], "1Q", 2025, NP=1.0))
    expected = {9: (None, 1), 10: (0, 0), 130: (120, 0), 131: (121, 1), 260: (250, 1), 261: (None, 1)}
    for t, (age, flag) in expected.items():
        assert (rows[SESSIONS[t]]["statement_days_since"], rows[SESSIONS[t]]["statement_stale"]) == (age, flag)


def test_a_revision_leaves_the_results_alone() -> None:
    """Its blank figures hide nothing; the days are counted from it."""
    rows = statements(*YEAR, revision(date(2025, 9, 10), 2026, FSales=500.0, FOP=9.0))
    t = date(2025, 9, 10)
    assert rows[t]["sales_growth"] == pytest.approx(0.4)
    assert rows[t]["operating_margin"] == pytest.approx(8 / 110)
    assert rows[t]["statement_days_since"] == 0


def test_of_several_rows_a_day_the_last_number_counts() -> None:
    """By DiscNo; what the last one leaves blank stays as the one before it says."""
    first = {**result(Q1_2025, "1Q", 2025, BPS=500.0, FDivAnn=10.0), "DiscNo": "20240808000007"}
    last = {**result(Q1_2025, "1Q", 2025, BPS=600.0), "DiscNo": "20240808000009"}
    for rows in (statements(first, last), statements(last, first)):
        assert rows[Q1_2025]["book_yield"] == pytest.approx(0.6)
        assert rows[Q1_2025]["dividend_yield"] == pytest.approx(0.01)


def test_a_correction_of_the_same_period_replaces_it() -> None:
    """The first quarter once more, with sales of 25: 2 x 5 / 45 from then on."""
    corrected = date(2025, 8, 20)
    rows = statements(*YEAR, result(corrected, "1Q", 2026, Sales=25.0))
    assert rows[date(2025, 8, 19)]["sales_growth"] == pytest.approx(0.4)
    assert rows[corrected]["sales_growth"] == pytest.approx(2 * 5 / 45)


def test_a_correction_of_an_older_period_is_no_new_result() -> None:
    """Last year's first quarter corrected to 10 in September: nothing changes; what comes after compares with it."""
    corrected, again = date(2025, 9, 1), date(2025, 9, 10)
    older = result(corrected, "1Q", 2025, Sales=10.0)
    rows = statements(*YEAR, older)
    assert rows[corrected]["sales_growth"] == pytest.approx(0.4)
    rows = statements(*YEAR, older, result(again, "1Q", 2026, Sales=30.0))
    assert rows[again]["sales_growth"] == pytest.approx(2 * 20 / 40)


def test_a_missing_period_type_is_read_from_the_dates_and_the_other_way() -> None:
    """Neither CurPerType nor CurPerEn alone is needed, nor CurFYSt."""
    for blank in (("CurPerType",), ("CurPerEn",), ("CurFYSt",), ("CurPerEn", "CurFYSt")):
        rows = statements(*({**row, **dict.fromkeys(blank)} for row in YEAR))
        assert rows[Q1_2026]["sales_growth"] == pytest.approx(0.4)
        assert rows[Q1_2026]["operating_margin"] == pytest.approx(8 / 110)


def test_a_changed_fiscal_year() -> None:
    """Nine months to December meet the nine months of the year before; a 4Q of 12 of 15 months is a year of its own."""
    third, short = date(2025, 2, 7), date(2026, 2, 6)
    dates = {"CurPerEn": date(2025, 12, 31), "CurFYEn": date(2025, 12, 31), "CurFYSt": date(2025, 4, 1)}
    rows = statements(result(third, "3Q", 2025, Sales=75.0), {**result(short, "FY", 2026, Sales=80.0, OP=8.0), **dates})
    assert rows[short]["sales_growth"] == pytest.approx(2 * 5 / 155)
    assert rows[short]["operating_margin"] is None
    dates = {"CurPerEn": date(2026, 3, 31), "CurFYEn": date(2026, 6, 30), "CurFYSt": date(2025, 4, 1)}
    fourth = {**result(short, "FY", 2026, Sales=80.0, OP=8.0), **dates, "CurPerType": "4Q"}
    assert statements(fourth)[short]["operating_margin"] == pytest.approx(0.1)


def test_figures_of_the_company_alone_stand_in() -> None:
    """Only NC figures: they are used; beside consolidated ones they are not; the two are never compared."""
    alone = [
        result(Q1_2025, "1Q", 2025, NCSales=20.0, NCBPS=300.0, FNCOP=10.0),
        result(Q1_2026, "1Q", 2026, NCSales=30.0, NCOP=5.0, FNCOP=20.0),
    ]
    rows = statements(*alone)
    assert rows[Q1_2025]["book_yield"] == pytest.approx(0.3)
    assert rows[Q1_2026]["sales_growth"] == pytest.approx(0.4)
    assert rows[Q1_2026]["forecast_progress"] == pytest.approx(0.0)
    both = statements(YEAR[0], YEAR[1], {**YEAR[2], "NCSales": 99.0, "NCOP": 99.0})
    assert both[Q1_2026]["sales_growth"] == pytest.approx(0.4)
    assert statements(YEAR[0], alone[1])[Q1_2026]["sales_growth"] is None
    assert statements(alone[0], YEAR[2])[Q1_2026]["sales_growth"] is None
    forecast = statements(result(Q1_2026, "1Q", 2026, NCOP=5.0, FOP=20.0))
    assert forecast[Q1_2026]["forecast_progress"] is None


def test_accounts_of_another_form_are_not_compared() -> None:
    """From Japanese rules to IFRS: no growth in the first year."""
    ifrs = {**YEAR[2], "DocType": "1QFinancialStatements_Consolidated_IFRS"}
    row = statements(*YEAR[:2], ifrs)[Q1_2026]
    assert row["sales_growth"] is None
    assert row["operating_margin"] is None


def test_banks_without_operating_profit_keep_the_rest() -> None:
    """A figure that is blank is unknown in its own columns only."""
    blank = [{k: v for k, v in row.items() if k != "OP"} for row in YEAR]
    row = statements(*blank)[Q1_2026]
    assert row["operating_profit_growth"] is None
    assert row["net_profit_growth"] == pytest.approx(0.4)
    assert row["net_margin"] == pytest.approx(6 / 110)


def test_a_code_without_disclosures_is_null_and_stale() -> None:
    row = statements({**YEAR[0], "Code": "99990"})[SESSIONS[-1]]
    assert row.pop("statement_stale") == 1
    assert {value for name, value in row.items() if name not in ("Date", "Code")} == {None}
