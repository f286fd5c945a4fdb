"""Nothing is served before its time; what is out at a moment is what the documentation says."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.twin.published import PublishedRows

from .twins import FIRST, LAST, MARKET, path_of, rows_of, serving, simulated, tokyo

PUBLISHED = PublishedRows(MARKET)


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("daily_bars", "16:30"),
        ("topix", "16:30"),
        ("margin_alert", "16:30"),
        ("short_ratio", "16:30"),
        ("short_sale_report", "17:30"),
        ("earnings_dates", "10:05"),
        ("investor_types", "18:00"),
    ],
)
def test_rows_of_a_day_are_out_from_their_time_of_that_day(name: str, time: str) -> None:
    column = ENDPOINTS[name].date_column
    day = simulated(name)[column].sort()[-1]
    moment, rows = tokyo(f"{day} {time}"), simulated(name).filter(pl.col(column) == day)
    before = PUBLISHED.rows(ENDPOINTS[name], FIRST, LAST, moment - timedelta(seconds=1))
    after = PUBLISHED.rows(ENDPOINTS[name], FIRST, LAST, moment)
    assert before[column].max() < day
    assert after.filter(pl.col(column) == day).equals(rows)


def test_a_day_to_come_is_empty_not_refused() -> None:
    with serving(at="2026-10-30 16:29") as client:
        assert rows_of(client, path_of("daily_bars"), date="2026-10-30") == []
        assert rows_of(client, path_of("financial_summaries"), date="2026-10-30") == []
        assert rows_of(client, path_of("daily_bars"), date="2026-10-29")


def statements_at(moment: str, *faults: str) -> int:
    day = busiest_day()
    later = {"same": day, "next": day + timedelta(days=1), "third": day + timedelta(days=2)}
    word, time = moment.split()
    with serving(*faults, at=f"{later[word]} {time}") as client:
        return len(rows_of(client, path_of("financial_summaries"), date=str(day)))


def busiest_day() -> date:
    counts = simulated("financial_summaries").filter(pl.col("DiscDate") < str(LAST)).group_by("DiscDate").len()
    return date.fromisoformat(counts.sort("len", "DiscDate")["DiscDate"][-1])


def test_of_the_statements_half_is_out_at_18_and_all_after_midnight() -> None:
    whole = simulated("financial_summaries", busiest_day(), busiest_day()).height
    assert whole > 2
    assert statements_at("same 17:59") == 0
    assert statements_at("same 18:00") == statements_at("next 00:29") == -(-whole // 2)
    assert statements_at("next 00:30") == whole


def test_the_first_half_is_that_of_the_lower_numbers_on_every_day() -> None:
    endpoint, sizes = ENDPOINTS["financial_summaries"], set()
    for day in map(date.fromisoformat, simulated("financial_summaries")["DiscDate"].unique()):
        whole = simulated("financial_summaries", day, day)
        half = PUBLISHED.rows(endpoint, day, day, tokyo(f"{day} 18:00"))
        assert half.equals(whole.sort("DiscNo").head((whole.height + 1) // 2))
        sizes.add(whole.height)
    assert {1, 2} <= sizes


def test_statements_can_come_late() -> None:
    whole = simulated("financial_summaries", busiest_day(), busiest_day()).height
    assert statements_at("next 17:59", "late_fins=24") == 0
    assert statements_at("next 18:00", "late_fins=24") == -(-whole // 2)
    assert statements_at("third 00:30", "late_fins=24") == whole


def master_date(at: str, **asked: str) -> str:
    with serving(at=at) as client:
        (day,) = {row["Date"] for row in rows_of(client, path_of("equities_master"), **asked)}
    return str(day)


def test_the_master_of_the_next_session_is_out_at_17_30() -> None:
    assert master_date("2026-10-15 17:29", date="2026-10-16") == "2026-10-15"
    assert master_date("2026-10-15 17:30", date="2026-10-16") == "2026-10-16"
    assert master_date("2026-10-15 17:30", date="2026-10-15") == "2026-10-15"
    assert master_date("2026-10-15 17:30") == "2026-10-15"


def test_a_holiday_gives_the_next_sessions_master_under_its_own_date() -> None:
    assert master_date("2026-10-20 20:00", date="2026-10-12") == "2026-10-13"  # Sports Day
    assert master_date("2026-10-17 09:00", date="2026-10-17") == "2026-10-19"  # a Saturday
    assert master_date("2026-10-17 09:00", date="2027-06-01") == "2026-10-19"  # the latest there is


def test_the_session_after_the_last_repeats_the_last_snapshot() -> None:
    with serving(at="2026-10-30 20:00") as client:
        rows = rows_of(client, path_of("equities_master"), date="2026-10-31")
        last = rows_of(client, path_of("equities_master"), date="2026-10-30")
    assert {row["Date"] for row in rows} == {"2026-11-02"}
    assert [row["Code"] for row in rows] == [row["Code"] for row in last]
    assert master_date("2026-11-10 20:00", date="2026-11-10") == "2026-11-02"


def test_margin_balances_come_on_the_second_session_of_the_next_week_and_later_daily() -> None:
    endpoint = ENDPOINTS["margin_interest"]

    def latest(at: str) -> str:
        return str(PUBLISHED.rows(endpoint, FIRST, LAST, tokyo(at))["Date"].max())

    assert latest("2026-09-08 16:29") == "2026-08-28"
    assert latest("2026-09-08 16:30") == "2026-09-04"
    assert latest("2026-09-28 16:30") == "2026-09-25"
    assert latest("2026-09-29 16:29") == "2026-09-25"
    assert latest("2026-09-29 16:30") == "2026-09-28"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_more_is_out_later_and_nothing_changes(name: str) -> None:
    earlier, later = tokyo("2026-08-20 12:00"), tokyo("2026-10-27 12:00")
    rows = [PUBLISHED.rows(ENDPOINTS[name], FIRST, LAST, moment) for moment in (earlier, later)]
    assert rows[1].head(rows[0].height).equals(rows[0])
    assert rows[1].height > rows[0].height or name == "trading_calendar"
