"""Every endpoint answers with exactly the simulator's rows, in pages, to the documented parameters and no others."""

from __future__ import annotations

import time
from datetime import date, timedelta

import httpx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.twin.app import Twin
from atft_pipeline.jquants.twin.pages import cut
from atft_pipeline.jquants.twin.parameters import PARAMETERS
from atft_pipeline.sections import SimulatorSettings

from .twins import (
    FIRST,
    LAST,
    SOURCE,
    as_wire,
    client_of,
    make_twin,
    message_of,
    path_of,
    rows_of,
    serving,
    simulated,
)  # fmt: skip

DAYS = [FIRST + timedelta(days=i) for i in range((LAST - FIRST).days + 1)]
CODE = simulated("daily_bars")["Code"][0]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_day_is_answered_with_the_rows_of_the_simulator(name: str) -> None:
    column = ENDPOINTS[name].date_column
    day = simulated(name)[column].sort()[-1]
    expected = as_wire(simulated(name, date.fromisoformat(day), date.fromisoformat(day)), name)
    parameter = ENDPOINTS[name].date_parameter
    asked = {parameter: day.replace("-", "")} if parameter else {"from": day, "to": day}
    with serving(page_rows=7) as client:
        assert rows_of(client, path_of(name), **asked) == expected
    assert expected


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"equities_master"}))
def test_pages_of_a_whole_period_join_to_the_rows_of_the_simulator(name: str) -> None:
    known = PARAMETERS[name]
    if known.span and not known.span_with:
        asked = [dict(zip(known.span, (str(FIRST), str(LAST)), strict=True))]
    elif known.span_with == "s33":
        asked = [{"s33": sector} for sector in simulated(name)["S33"].unique(maintain_order=True)]
    else:
        asked = [{"code": code} for code in simulated(name)["Code"].unique(maintain_order=True)]
    twin, clock = make_twin(page_rows=200)
    with client_of(twin) as client:
        rows = []
        for question in asked:
            rows += rows_of(client, path_of(name), **question)
            clock.sleep(10)  # slower than any limit
    key = list(ENDPOINTS[name].key)
    expected = as_wire(simulated(name), name)
    assert sorted(rows, key=lambda row: [row[column] for column in key]) == sorted(
        expected, key=lambda row: [row[column] for column in key]
    )
    assert list(rows[0]) == simulated(name).columns


@given(n_rows=st.integers(0, 30), page_rows=st.integers(1, 12))
def test_any_number_of_rows_is_cut_into_pages_that_join(n_rows: int, page_rows: int) -> None:
    rows, found, key, keys = pl.DataFrame({"x": range(n_rows)}), [], "", []
    while True:
        page, following = cut(rows, "question", page_rows, key)
        found += page["x"].to_list()
        if following is None:
            break
        keys.append(following)
        key = following
    assert found == list(range(n_rows))
    assert len(set(keys)) == len(keys) == max(0, -(-n_rows // page_rows) - 1)


def test_a_pagination_key_changes_and_belongs_to_its_query() -> None:
    with serving(page_rows=100) as client:
        asked = {"code": CODE}
        bars = path_of("daily_bars")
        whole = client.get(bars, params=asked).json()
        assert "pagination_key" not in whole  # a hundred sessions
    with serving(page_rows=30) as client:
        first = client.get(bars, params=asked).json()
        second = client.get(bars, params={**asked, "pagination_key": first["pagination_key"]}).json()
        assert first["pagination_key"] != second["pagination_key"]
        for other in ({"code": "99990"}, {"code": CODE, "from": str(DAYS[20])}):
            assert "pagination_key" in message_of(client, bars, 400, **other, pagination_key=first["pagination_key"])
        assert "pagination_key" in message_of(client, bars, 400, **asked, pagination_key="no key")
    assert [*first["data"], *second["data"]] == whole["data"][:60]


def test_both_spellings_of_a_date_and_both_lengths_of_a_code() -> None:
    with serving() as client:
        bars = path_of("daily_bars")
        assert rows_of(client, bars, date="20261030") == rows_of(client, bars, date="2026-10-30")
        assert rows_of(client, bars, code=CODE[:4]) == rows_of(client, bars, code=CODE)
        assert rows_of(client, path_of("short_ratio"), s33="50") == rows_of(client, path_of("short_ratio"), s33="0050")
        assert rows_of(client, bars, code="99999") == []


def test_filters_leave_what_they_name() -> None:
    with serving() as client:
        flows = rows_of(client, path_of("investor_types"), section="TSEPrime")
        assert {row["Section"] for row in flows} == {"TSEPrime"}
        days = rows_of(client, path_of("trading_calendar"), hol_div="3", **{"from": "2026-09-01", "to": "2026-10-31"})
        assert [row["Date"] for row in days] == ["2026-09-21", "2026-09-22", "2026-09-23", "2026-10-12"]
        published = rows_of(client, path_of("margin_interest"), published_date="2026-10-30")
        assert {row["Date"] for row in published} == {"2026-10-29"}
        report = simulated("short_sale_report").row(0, named=True)
        assert report in rows_of(client, path_of("short_sale_report"), calc_date=report["CalcDate"])
        spanned = rows_of(client, path_of("short_sale_report"), code=report["Code"], disc_date_to=report["DiscDate"])
        assert spanned == [report]
        notice = simulated("earnings_dates").filter(pl.col("SchDate") != "").row(-1, named=True)
        assert notice in rows_of(client, path_of("earnings_dates"), scheduled_date=notice["SchDate"])


def test_values_have_the_types_of_the_wire() -> None:
    with serving() as client:
        statement = rows_of(
            client, path_of("financial_summaries"), date=simulated("financial_summaries")["DiscDate"][0]
        )
        alerts = [
            row
            for code in simulated("margin_alert")["Code"].unique()
            for row in rows_of(client, path_of("margin_alert"), code=code)
        ]
        bars = rows_of(client, path_of("daily_bars"), date="2026-10-30")
    assert all(isinstance(value, str) for row in statement for value in row.values())
    assert any(row["NxFNp"] == "" for row in statement)
    assert all(set(row["PubReason"].values()) <= {"0", "1"} for row in alerts)
    assert any(isinstance(row["LongOutChg"], float | int) for row in alerts)
    assert any(row["LongOutChg"] == "-" for row in alerts)
    assert all(isinstance(row["Vo"], float) and row["UL"] in "01" for row in bars if row["O"] is not None)


def test_a_day_without_trade_is_null_everywhere() -> None:
    halted = simulated("daily_bars").filter(pl.col("O").is_null()).row(0, named=True)
    with serving() as client:
        row = next(
            r for r in rows_of(client, path_of("daily_bars"), date=halted["Date"]) if r["Code"] == halted["Code"]
        )
    assert [row[column] for column in ("O", "H", "L", "C", "Vo", "Va")] == [None] * 6


def test_morning_and_afternoon_are_columns_on_premium_only() -> None:
    bars = path_of("daily_bars")
    with serving() as client:
        standard = rows_of(client, bars, date="2026-10-30")
    with serving(plan="premium") as client:
        premium = rows_of(client, bars, date="2026-10-30")
    assert list(standard[0]) == ["Date", "Code", "O", "H", "L", "C", "UL", "LL", "Vo", "Va", "AdjFactor"]
    assert [{column: row[column] for column in standard[0]} for row in premium] == standard
    assert {"MO", "ALL", "AVo"} <= set(premium[0])
    traded = [row for row in premium if row["O"] is not None]
    for row in traded:
        assert (row["MO"], row["AC"], row["MVo"] + row["AVo"]) == (row["O"], row["C"], row["Vo"])
        assert row["MC"] == row["AO"]
        assert row["L"] <= row["ML"] <= min(row["MO"], row["MC"]) <= max(row["MO"], row["MC"]) <= row["MH"] == row["H"]
        assert row["AL"] == row["L"] <= min(row["AO"], row["AC"]) <= max(row["AO"], row["AC"]) <= row["AH"] <= row["H"]


def test_statements_end_with_a_cursor_from_which_nothing_comes_twice() -> None:
    fins = path_of("financial_summaries")
    code = simulated("financial_summaries")["Code"][0]
    with serving(page_rows=1) as client:
        first = client.get(fins, params={"code": code}).json()
        assert "cursor" not in first
        last = client.get(fins, params={"code": code, "pagination_key": first["pagination_key"]}).json()
        assert "pagination_key" not in last
        again = client.get(fins, params={"code": code, "cursor": last["cursor"]}).json()
        assert (again["data"], again["cursor"]) == ([], last["cursor"])
        assert "cursor" in message_of(client, fins, 400, code=code, cursor="no cursor")


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("daily_bars", {}, "code, date"),
        ("daily_bars", {"from": "2026-10-01"}, "code, date"),
        ("daily_bars", {"date": "2026-10-01", "from": "2026-10-01"}, "date, from"),
        ("daily_bars", {"date": "2026-10-01", "colour": "red"}, "colour"),
        ("daily_bars", {"date": "1 October"}, "YYYYMMDD"),
        ("daily_bars", {"date": "2026-02-30"}, "date"),
        ("daily_bars", {"code": "7"}, "4 or 5 characters"),
        ("topix", {"date": "2026-10-01"}, "date"),
        ("topix", {"from": "2026-10-02", "to": "2026-10-01"}, "later"),
        ("short_ratio", {"date": "2026-10-01", "to": "2026-10-01"}, "date, to"),
        ("margin_interest", {"published_date": "2026-10-01", "date": "2026-10-01"}, "date, published_date"),
        ("earnings_dates", {"code": "72030", "date": "2026-10-01"}, "Only one"),
        ("short_sale_report", {"disc_date": "2026-10-01", "disc_date_from": "2026-10-01"}, "combined"),
        ("short_sale_report", {"calc_date": "2026-10-01", "date": "2026-10-01"}, "date"),
    ],
)
def test_parameters_that_are_refused(name: str, asked: dict[str, str], words: str) -> None:
    with serving() as client:
        assert words in message_of(client, path_of(name), 400, **asked)


def test_answers_are_gzipped_where_that_is_accepted() -> None:
    twin, _ = make_twin()
    with client_of(twin) as client:
        asked = {"date": "2026-10-30"}
        packed = client.get("/equities/bars/daily", params=asked)
        plain = client.get("/equities/bars/daily", params=asked, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_margin_balances_get_columns_and_their_order_on_the_day_they_became_daily() -> None:
    asked = {"date": "2026-09-11"}
    with serving(at="2026-09-27 23:59") as client:
        before = rows_of(client, path_of("margin_interest"), **asked)
    with serving(at="2026-09-28 16:30") as client:
        after = rows_of(client, path_of("margin_interest"), **asked)
        daily = rows_of(client, path_of("margin_interest"), date="2026-09-25")
    assert list(before[0]) == [
        "Date", "Code", "ShrtVol", "LongVol", "ShrtNegVol", "LongNegVol", "ShrtStdVol", "LongStdVol", "IssType",
    ]  # fmt: skip
    assert list(after[0])[:4] == ["PubDate", "Date", "Code", "IssType"]
    assert len(after[0]) == 16
    assert {(row["PubDate"], row["LongVal"]) for row in after} == {(None, None)}
    assert {row["PubDate"] for row in daily} == {"2026-09-28"}
    assert all(row["LongVal"] is not None for row in daily)


@settings(max_examples=25, deadline=None)
@given(day=st.sampled_from(DAYS))
def test_any_day_has_its_sessions_rows_and_a_holiday_none(day: date) -> None:
    with serving() as client:
        assert rows_of(client, path_of("daily_bars"), date=str(day)) == SOURCE.fetch("daily_bars", day, day).to_dicts()


def test_a_day_of_four_thousand_codes_takes_well_under_a_second() -> None:
    market = SimulatorSettings(n_codes=4000, n_sessions=60, last_session=date(2026, 10, 30))
    twin = Twin(market, page_rows=10_000, clock=make_twin()[1])
    with client_of(twin) as client:
        client.get("/equities/bars/daily", params={"date": "2026-10-29"})  # draws the market
        begun = time.perf_counter()
        answer: httpx.Response = client.get("/equities/bars/daily", params={"date": "2026-10-30"})
        assert time.perf_counter() - begun < 1.0
    assert len(answer.json()["data"]) > 3500
