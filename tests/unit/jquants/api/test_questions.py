"""What is asked for a range, and for how long an answer holds."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft_pipeline.calendar import TOKYO, TradingCalendar
from atft_pipeline.jquants.api.questions import holds_from, questions
from atft_pipeline.jquants.endpoints import ENDPOINTS

WEEKDAYS = [day for n in range(800) if (day := date(2024, 12, 2) + timedelta(days=n)).weekday() < 5]
CALENDAR = TradingCalendar(tuple(day for day in WEEKDAYS if day != date(2024, 12, 20)))


def asked(name: str, start: date, end: date) -> list[dict[str, str]]:
    return [dict(question.params) for question in questions(ENDPOINTS[name], start, end, CALENDAR)]


def test_bars_are_asked_session_by_session() -> None:
    assert asked("daily_bars", date(2024, 12, 19), date(2024, 12, 23)) == [{"date": "20241219"}, {"date": "20241223"}]


def test_the_parameter_is_the_endpoints_own() -> None:
    assert asked("short_sale_report", date(2024, 12, 19), date(2024, 12, 19)) == [{"disc_date": "20241219"}]


def test_disclosures_are_asked_day_by_day() -> None:
    days = [params["date"] for params in asked("financial_summaries", date(2024, 12, 20), date(2024, 12, 22))]
    assert days == ["20241220", "20241221", "20241222"]


def test_the_index_is_asked_month_by_month() -> None:
    assert asked("topix", date(2024, 12, 19), date(2025, 2, 3)) == [
        {"from": "20241219", "to": "20241231"},
        {"from": "20250101", "to": "20250131"},
        {"from": "20250201", "to": "20250203"},
    ]


def test_the_calendar_is_asked_whole() -> None:
    assert asked("trading_calendar", date(2024, 12, 19), date(2025, 2, 3)) == [{}]


def test_margin_balances_are_asked_for_the_ends_of_weeks_and_later_for_every_session() -> None:
    before = asked("margin_interest", date(2024, 12, 9), date(2024, 12, 25))
    assert before == [{"date": "20241213"}, {"date": "20241219"}]  # Friday the 20th is a holiday; the 27th is to come
    around = [params["date"] for params in asked("margin_interest", date(2026, 9, 14), date(2026, 9, 29))]
    assert around == ["20260918", "20260925", "20260928", "20260929"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        ("2024-12-19T16:29", "2024-12-18T16:30"),  # today's bars are not there yet
        ("2024-12-19T16:30", "2024-12-19T16:30"),
        ("2024-12-20T09:00", "2024-12-19T16:30"),
        ("2024-12-26T23:59", "2024-12-26T16:30"),  # seven days on, the last correction is seen
        ("2025-03-01T12:00", "2024-12-26T16:30"),  # from then on the answer is final
    ],
)
def test_an_answer_about_bars_of_19_december_holds_from(now: str, holds: str) -> None:
    assert holds_from(ENDPOINTS["daily_bars"], date(2024, 12, 19), at(now), 7) == at(holds)


def test_disclosures_are_asked_again_after_midnight() -> None:
    fins, day = ENDPOINTS["financial_summaries"], date(2024, 12, 19)
    assert holds_from(fins, day, at("2024-12-19T17:59"), 7) == at("2024-12-19T00:30")
    assert holds_from(fins, day, at("2024-12-19T18:00"), 7) == at("2024-12-19T18:00")
    assert holds_from(fins, day, at("2024-12-20T00:30"), 7) == at("2024-12-20T00:30")


def test_the_calendar_is_never_final() -> None:
    assert holds_from(ENDPOINTS["trading_calendar"], date.max, at("2030-01-01T12:00"), 7) == at("2030-01-01T00:00")


@given(
    name=st.sampled_from(sorted(ENDPOINTS)),
    last=st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    first_look=st.integers(0, 60 * 24 * 30),
    later=st.integers(0, 60 * 24 * 30),
)
def test_what_an_answer_must_be_younger_than_never_moves_back_and_never_lies_ahead(
    name: str, last: date, first_look: int, later: int
) -> None:
    begin = datetime.combine(last, datetime.min.time(), TOKYO)
    one = begin + timedelta(minutes=first_look)
    two = one + timedelta(minutes=later)
    endpoint = ENDPOINTS[name]
    assert holds_from(endpoint, last, one, 7) <= holds_from(endpoint, last, two, 7) <= two
    assert holds_from(endpoint, last, two, 7) <= begin + timedelta(days=8)
