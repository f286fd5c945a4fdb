"""Margin balances and designations on a stock whose volume is 100 shares a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from atft_pipeline.features.contract import CONTRACT
from tests.small_tables import Row, features_by_day, weekdays

SESSIONS = weekdays(date(2026, 6, 1), date(2026, 11, 13))
LONGER = weekdays(date(2025, 6, 2), date(2026, 11, 13))
ALERT_REASONS = ("Restricted", "DailyPublication", "Monitoring", "RestrictedByJSF")


def margin(
    interest: Sequence[Row] = (),
    alert: Sequence[Row] = (),
    sessions: Sequence[date] = SESSIONS,
    splits: dict[date, float] | None = None,
) -> dict[date, dict[str, float | None]]:
    """The family by session."""
    return features_by_day(["margin"], sessions, splits, margin_interest=interest, margin_alert=alert)


def balance(day: date, long: float, short: float = 0.0, **more: object) -> Row:
    """A balance, by default without PubDate, as it was until 2026-09-24."""
    standard = {"LongStdVol": 0.75 * long, "ShrtStdVol": 0.5 * short}
    return {"Date": day, "LongVol": long, "ShrtVol": short, **standard, **more}


def alert(published: date, about: date, long: float = 300.0, short: float = 0.0, **more: object) -> Row:
    """A daily balance of a designated stock."""
    reason = dict.fromkeys(ALERT_REASONS, "0") | {"DailyPublication": "1"}
    row: Row = {"PubDate": published, "AppDate": about, "LongOut": long, "ShrtOut": short, "PubReason": reason}
    return {**row, "TSEMrgnRegCls": "002", **more}


def test_the_family_has_16_columns() -> None:
    assert len(CONTRACT.select(["margin"]).columns) == 16


def test_a_weekly_balance_is_used_from_the_third_session_of_the_next_week() -> None:
    """Of Friday 10 July: published on Tuesday, after that session's close; used from Wednesday on."""
    rows = margin([balance(date(2026, 7, 10), 200.0)])
    assert rows[date(2026, 7, 14)]["margin_long_to_adv"] is None
    assert rows[date(2026, 7, 14)]["margin_days_since"] is None
    assert rows[date(2026, 7, 15)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))
    assert rows[date(2026, 7, 15)]["margin_days_since"] == 0
    assert rows[date(2026, 7, 22)]["margin_days_since"] == 5


@pytest.mark.parametrize("of", [date(2026, 7, 9), date(2026, 7, 10)])
def test_a_holiday_delays_the_publication(of: date) -> None:
    """No session on Friday 10 and Monday 13 July: published on Wednesday, used from Thursday; the same if of Friday."""
    sessions = weekdays(date(2026, 6, 1), date(2026, 7, 31), holidays=[date(2026, 7, 10), date(2026, 7, 13)])
    rows = margin([balance(of, 200.0)], sessions=sessions)
    assert rows[date(2026, 7, 15)]["margin_long_to_adv"] is None
    assert rows[date(2026, 7, 16)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))


def test_a_daily_balance_is_used_after_its_publication() -> None:
    """Of Friday 25 September, published on Monday 28: used from Tuesday, while Monday still has the weekly one."""
    rows = margin(
        [
            balance(date(2026, 9, 18), 200.0),
            balance(date(2026, 9, 25), 700.0, PubDate=date(2026, 9, 28)),
        ]
    )
    assert rows[date(2026, 9, 28)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))
    assert rows[date(2026, 9, 29)]["margin_long_to_adv"] == pytest.approx(math.log(8.0))
    assert rows[date(2026, 9, 28)]["margin_days_since"] == 3
    assert rows[date(2026, 9, 29)]["margin_days_since"] == 0


def test_imbalance_and_standardized_shares() -> None:
    """300 long (225 standardized) against 100 short (50): 1/2, 3/4, and 1/8 of all."""
    row = margin([balance(date(2026, 7, 10), 300.0, 100.0)])[date(2026, 7, 15)]
    assert row["margin_imbalance"] == pytest.approx(0.5)
    assert row["margin_short_to_adv"] == pytest.approx(math.log(2.0))
    assert row["margin_long_standard_share"] == pytest.approx(0.75)
    assert row["margin_short_standard_share"] == pytest.approx(0.125)


def test_no_shorts_are_a_fact_and_no_balance_at_all_is_not() -> None:
    """Nothing sold short: 0. Neither side held: no imbalance and no shares."""
    row = margin([balance(date(2026, 7, 10), 300.0)])[date(2026, 7, 15)]
    assert (row["margin_short_to_adv"], row["margin_short_standard_share"], row["margin_imbalance"]) == (0, 0, 1)
    row = margin([balance(date(2026, 7, 10), 0.0)])[date(2026, 7, 15)]
    assert row["margin_long_to_adv"] == 0
    assert [
        row[name] for name in ("margin_imbalance", "margin_long_standard_share", "margin_short_standard_share")
    ] == [None] * 3


def test_changes_span_20_sessions_on_both_sides_of_the_regime_change() -> None:
    """What is known on t against what was known on t-20, however many rows lie between."""
    weekly = [balance(day, 100.0 * i, 100.0) for i, day in enumerate(SESSIONS[4:82:5], start=1)]
    daily = [
        balance(day, 3000.0 + 100.0 * i, 100.0, PubDate=following)
        for i, (day, following) in enumerate(pairwise(SESSIONS[84:]))
    ]
    rows = margin([*weekly, *daily])
    known = {day: math.exp(row["margin_long_to_adv"]) for day, row in rows.items() if row["margin_long_to_adv"]}
    for t in (60, 86, 90, 104, 106, 110):
        row, before = rows[SESSIONS[t]], rows[SESSIONS[t - 20]]
        expected = math.log(known[SESSIONS[t]] / known[SESSIONS[t - 20]])
        assert row["margin_long_change_20"] == pytest.approx(expected, abs=1e-6)
        change = (row["margin_imbalance"] or 0.0) - (before["margin_imbalance"] or 0.0)
        assert row["margin_imbalance_change_20"] == pytest.approx(change, abs=1e-6)
        assert row["margin_short_change_20"] == 0
    # 60: four weekly steps of 100 shares, from 900 to 1300
    assert known[SESSIONS[60]] == pytest.approx(1 + 11.0, abs=1e-4)
    assert rows[SESSIONS[60]]["margin_long_change_20"] == pytest.approx(math.log(12.0 / 8.0))


def test_z_counts_sessions_and_not_rows() -> None:
    """Every session has one vote, with what was known on it; a balance that never moved is at its mean."""
    days = LONGER[4:280:5]
    rows = margin([balance(day, float(v), 50.0) for day, v in zip(days, range(100, 1000, 7), strict=False)], (), LONGER)
    known = [math.expm1(rows[day]["margin_long_to_adv"] or 0.0) * 100 for day in LONGER[30:280]]
    expected = (known[-1] - np.mean(known)) / np.std(known, ddof=1)
    assert rows[LONGER[279]]["margin_long_z_250"] == pytest.approx(expected, rel=1e-4)
    assert rows[LONGER[279]]["margin_short_z_250"] == 0
    assert rows[LONGER[100]]["margin_long_z_250"] is None


def test_share_counts_follow_a_split() -> None:
    """1:2 on Monday 13 July: 200 shares of Friday 10 are 400, and 100 traded a day are 200."""
    rows = margin([balance(date(2026, 7, 10), 200.0, 50.0)], splits={date(2026, 7, 13): 0.5})
    whole = margin([balance(date(2026, 7, 10), 200.0, 50.0)])
    for day in (date(2026, 7, 15), date(2026, 8, 14)):
        assert rows[day] == pytest.approx(whole[day])
    # of the ex-date itself: already on the new basis
    rows = margin([balance(date(2026, 7, 17), 400.0)], splits={date(2026, 7, 17): 0.5})
    assert rows[date(2026, 7, 22)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))


def test_a_correction_counts_and_late_news_of_old_days_do_not() -> None:
    """The same day again replaces; an older day that comes later changes nothing, not even the age."""
    weekly = balance(date(2026, 7, 17), 200.0)
    rows = margin([weekly, balance(date(2026, 7, 17), 700.0, PubDate=date(2026, 7, 29))])
    assert rows[date(2026, 7, 29)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))
    assert rows[date(2026, 7, 30)]["margin_long_to_adv"] == pytest.approx(math.log(8.0))
    rows = margin([weekly, balance(date(2026, 7, 10), 700.0, PubDate=date(2026, 7, 29))])
    assert rows[date(2026, 7, 30)]["margin_long_to_adv"] == pytest.approx(math.log(3.0))
    assert rows[date(2026, 7, 30)]["margin_days_since"] == 6


def test_a_balance_stands_for_250_sessions_after_its_day() -> None:
    """Then nothing is known any more."""
    rows = margin([balance(LONGER[29], 200.0)], (), LONGER)
    assert rows[LONGER[279]]["margin_days_since"] == 247
    assert rows[LONGER[279]]["margin_long_to_adv"] == pytest.approx(math.log(3.0))
    assert rows[LONGER[280]]["margin_days_since"] is None
    assert rows[LONGER[280]]["margin_long_to_adv"] is None


def test_a_designation_counts_on_the_day_of_its_publication() -> None:
    """Rows on Tuesday and Wednesday: 1 on those two days, 0 before and after, 1 and 2 sessions."""
    days = [date(2026, 7, d) for d in (6, 7, 8, 9)]
    rows = margin(alert=[alert(days[1], days[0]), alert(days[2], days[1])])
    assert [rows[day]["margin_designated"] for day in days] == [0, 1, 1, 0]
    assert [rows[day]["margin_designated_sessions"] for day in days] == [0, 1, 2, 0]
    assert [rows[day]["margin_restricted"] for day in days] == [0, 0, 0, 0]


def test_designated_sessions_stop_counting_at_60() -> None:
    rows = margin(alert=[alert(t, before) for before, t in pairwise(SESSIONS)])
    assert [rows[SESSIONS[t]]["margin_designated_sessions"] for t in (0, 1, 59, 60, 61, 99)] == [0, 1, 59, 60, 60, 60]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"PubReason": dict.fromkeys(ALERT_REASONS, "0") | {"Restricted": "1"}}, 1),
        ({"PubReason": dict.fromkeys(ALERT_REASONS, "0") | {"RestrictedByJSF": "1"}}, 1),
        ({"PubReason": dict.fromkeys(ALERT_REASONS, "0") | {"Monitoring": "1"}}, 0),
        ({"PubReason": None, "TSEMrgnRegCls": "003"}, 1),
        ({"PubReason": None, "TSEMrgnRegCls": "101"}, 0),
        ({"PubReason": None, "TSEMrgnRegCls": None}, 0),
    ],
)
def test_restricted(said: Row, expected: float) -> None:
    """By either reason or by the class of the exchange's measures; what is missing says nothing."""
    days = date(2026, 7, 6), date(2026, 7, 7)
    row = margin(alert=[{**alert(days[1], days[0]), **said}])[days[1]]
    assert (row["margin_designated"], row["margin_restricted"]) == (1, expected)


def test_a_correction_of_an_older_day_designates_nobody() -> None:
    """About Monday, published again on Thursday; and of two rows about one day the later day counts."""
    days = [date(2026, 7, d) for d in (6, 7, 8, 9)]
    rows = margin(alert=[alert(days[1], days[0]), alert(days[3], days[0])])
    assert [rows[day]["margin_designated"] for day in days] == [0, 1, 0, 0]


def test_a_newer_daily_balance_is_told_against_the_known_one() -> None:
    """400 shares after 200, 100 a day: ln(5/3); 0 where the alert is not newer, or where there is none."""
    known = balance(date(2026, 7, 10), 200.0, 100.0)
    days = date(2026, 7, 15), date(2026, 7, 16)
    rows = margin([known], [alert(days[1], days[0], long=400.0, short=0.0)])
    assert rows[days[0]]["margin_long_newer"] == 0
    assert rows[days[1]]["margin_long_newer"] == pytest.approx(math.log(5 / 3))
    assert rows[days[1]]["margin_short_newer"] == pytest.approx(math.log(1 / 2))
    assert rows[date(2026, 7, 14)]["margin_long_newer"] is None
    same_day = balance(days[0], 200.0, PubDate=date(2026, 7, 15))
    assert margin([same_day], [alert(days[1], days[0], long=400.0)])[days[1]]["margin_long_newer"] == 0
    split = margin([known], [alert(days[1], days[0], long=400.0)], splits={days[1]: 0.5})
    assert split[days[1]]["margin_long_newer"] == pytest.approx(math.log(5 / 3))


def test_columns_that_a_source_leaves_out_are_null() -> None:
    """Without the standardized volumes and the class: those columns are null or rest on the reason alone."""
    interest = [{"Date": date(2026, 7, 10), "LongVol": 200.0, "ShrtVol": 100.0}]
    days = date(2026, 7, 15), date(2026, 7, 16)
    row = {k: v for k, v in alert(days[1], days[0]).items() if k != "TSEMrgnRegCls"}
    found = margin(interest, [row])[days[1]]
    assert found["margin_long_standard_share"] is None
    assert found["margin_short_standard_share"] is None
    assert found["margin_imbalance"] == pytest.approx(1 / 3)
    assert (found["margin_designated"], found["margin_restricted"]) == (1, 0)
