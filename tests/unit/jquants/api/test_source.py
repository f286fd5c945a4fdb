"""The API as a source, against the twin: complete, resumed, asked no more than needed, and corrected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import EndpointMissing, ServerError, WireError
from atft_pipeline.jquants.api.client import Page
from atft_pipeline.jquants.api.questions import Question
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.wire import to_typed
from tests.unit.jquants.twin.twins import FIRST, LAST, make_twin, simulated, tokyo

from .accounts import Account, account

DATED = [name for name in ENDPOINTS if name != "trading_calendar"]
SUMMER = (date(2026, 6, 5), date(2026, 8, 31))
OCTOBER = (date(2026, 10, 1), LAST)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Account]:
    """A standard account on the Monday evening after the market's last session."""
    with account(make_twin()[0], tmp_path) as opened:
        yield opened


def bring(opened: Account, name: str, start: date = FIRST, end: date = LAST) -> pl.DataFrame:
    """Asked, fetched, typed and sorted."""
    opened.source.update(name, start, end, lambda text: None, lambda label, done, total: None)
    return typed(opened.source.fetch(name, start, end), name)


def typed(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return to_typed(rows, ENDPOINTS[name]).frame.sort(ENDPOINTS[name].key)


@pytest.mark.parametrize("name", DATED)
def test_every_endpoint_comes_whole(night: Account, name: str) -> None:
    found = bring(night, name)
    expected = typed(simulated(name), name)
    assert found.height > 0
    assert_frame_equal(found, expected.select(found.columns))
    lacking = set(expected.columns) - set(found.columns)
    assert all(expected[column].null_count() == expected.height for column in lacking)


@pytest.mark.parametrize("plan", ["free", "light"])
def test_bars_come_whole_under_every_plan(tmp_path: Path, plan: PlanName) -> None:
    """Free has no bulk files and its data is twelve weeks late."""
    with account(make_twin(plan=plan)[0], tmp_path) as opened:
        end = min(opened.source.last_session(), LAST)
        assert end == (date(2026, 8, 10) if plan == "free" else LAST)
        expected = typed(simulated("daily_bars", last=end), "daily_bars")
        assert_frame_equal(bring(opened, "daily_bars", end=end), expected)
        assert any("/bulk/" in one for one in opened.asked) == (plan == "light")


def test_months_that_are_over_come_as_files_and_the_rest_day_by_day(night: Account) -> None:
    bring(night, "daily_bars")
    files = [one for one in night.asked if one.startswith("/bulk/get")]
    assert len(files) == 4  # June to September
    days = [one for one in night.asked if one.startswith("/equities/bars/daily")]
    assert len(days) == len(set(days)) == simulated("daily_bars", *OCTOBER)["Date"].n_unique()


def test_what_is_known_is_not_asked_again_and_is_typed_without_a_request(night: Account, tmp_path: Path) -> None:
    first = bring(night, "daily_bars")
    before = len(night.transport.asked)
    assert_frame_equal(bring(night, "daily_bars"), first)
    assert len(night.transport.asked) == before

    offline, _ = make_twin("status=500")
    with account(offline, tmp_path) as later:  # the same store, and a server that answers nothing
        rows = later.source.received.about("daily_bars", FIRST, LAST)
        assert len(rows) > 20
        assert_frame_equal(typed(later.source.fetch("daily_bars", FIRST, LAST), "daily_bars"), first)


def test_the_next_evening_asks_for_a_week_and_not_for_more(night: Account) -> None:
    bring(night, "daily_bars")
    before = len(night.asked)
    night.clock.sleep(86_400)
    bring(night, "daily_bars")
    assert sorted(night.asked[before:]) == [
        f"/equities/bars/daily?date=202610{day}" for day in (27, 28, 29, 30)
    ]  # the 26th was last asked seven days after: that was final


def test_a_week_later_everything_is_final(night: Account) -> None:
    bring(night, "daily_bars")
    night.clock.sleep(8 * 86_400)
    bring(night, "daily_bars")
    before = len(night.asked)
    night.clock.sleep(30 * 86_400)
    bring(night, "daily_bars")
    assert night.asked[before:] == []


def test_disclosures_of_the_evening_are_completed_after_midnight(tmp_path: Path) -> None:
    """Half of a day's statements are out at 18:00, all of them half an hour after midnight."""
    day = simulated("financial_summaries").filter(pl.len().over("DiscDate") >= 2)["DiscDate"].max()
    assert isinstance(day, str)
    whole = simulated("financial_summaries", date.fromisoformat(day), date.fromisoformat(day)).height
    with account(make_twin(at=f"{day} 17:30")[0], tmp_path) as opened:
        seen = []
        for hours in (0.0, 1.0, 7.0):  # 17:30, 18:30, 01:30
            opened.clock.sleep(hours * 3600)
            seen.append(bring(opened, "financial_summaries", *(date.fromisoformat(day),) * 2).height)
        assert seen == [0, -(-whole // 2), whole]
        answers = opened.source.received.about("financial_summaries", *(date.fromisoformat(day),) * 2)
        assert len(answers) == 3  # what was corrected is kept beside its correction


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with account(make_twin()[0], tmp_path / "undisturbed") as opened:
        expected = bring(opened, "short_ratio")
        every = sorted(opened.asked)
    with account(make_twin("status=401,after=12,path=/markets/short-ratio")[0], tmp_path / "killed") as opened:
        with pytest.raises(Exception, match=r"key"):
            bring(opened, "short_ratio")
        first = opened.asked[:-1]  # the last one was refused
    with account(make_twin()[0], tmp_path / "killed") as opened:
        assert_frame_equal(bring(opened, "short_ratio"), expected)
        second = [one for one in opened.asked if not one.startswith("/bulk/list")]
    assert not set(first) & set(second)
    assert sorted([*first, *second]) == every


def test_a_correction_wins_and_both_are_kept(night: Account) -> None:
    day = date(2026, 10, 29)
    before = bring(night, "daily_bars", day, day)
    answer = night.source.received.latest("daily_bars")[str(day)]
    (body,) = night.source.received.bodies(answer)
    code, close = before["Code"][0], before["C"][0]
    corrected = body.replace(f'"C":{close}'.encode(), b'"C":12345.5', 1)
    assert corrected != body
    question = Question(str(day), day, day, {"date": "20261029"})
    later = Page("/equities/bars/daily", question.params, 1, night.clock.now(), "standard", corrected)
    night.source.received.keep_pages("daily_bars", question, [later], night.clock.now())
    after = typed(night.source.fetch("daily_bars", day, day), "daily_bars")
    assert after.height == before.height
    assert after.filter(Code=code)["C"].item() == 12345.5
    assert_frame_equal(after.filter(pl.col("Code") != code), before.filter(pl.col("Code") != code))
    assert len(night.source.received.about("daily_bars", day, day)) == 2


def test_an_answer_that_was_confirmed_is_not_stored_twice(night: Account) -> None:
    bring(night, "daily_bars", *OCTOBER)
    night.clock.sleep(86_400)
    bring(night, "daily_bars", *OCTOBER)
    answers = night.source.received.about("daily_bars", *OCTOBER)
    assert len(answers) == len({answer.question for answer in answers})
    assert max(answer.confirmed_at for answer in answers) > tokyo("2026-11-03 19:00")


def test_what_was_never_asked_is_not_given_as_empty(night: Account) -> None:
    bring(night, "daily_bars", *SUMMER)
    with pytest.raises(WireError, match="were never asked, the first is 2026-10-01"):
        night.source.fetch("daily_bars", *OCTOBER)


def test_a_plan_does_not_offer_what_it_lacks(tmp_path: Path) -> None:
    with account(make_twin(plan="light")[0], tmp_path) as opened:
        assert "short_ratio" not in opened.source.endpoints
        assert any("Plan light: without" in note and "short_ratio" in note for note in opened.source.notes)
        with pytest.raises(EndpointMissing, match="short_ratio"):
            opened.source.update("short_ratio", *OCTOBER, print, print)


def test_the_first_session_stays_when_the_window_moves_on(tmp_path: Path) -> None:
    twin, clock = make_twin(plan="free", at="2028-09-04 20:00")
    with account(twin, tmp_path) as opened:
        first = opened.source.first_session()
        assert first == date(2026, 6, 12)  # two years before twelve weeks ago
    clock.sleep(20 * 86_400)
    with account(twin, tmp_path) as opened:
        assert opened.source.first_session() == first


def test_days_outside_the_window_are_clipped_and_not_asked_for_ever(tmp_path: Path) -> None:
    """A market older than two years under the free plan: the first days of June are not covered any more."""
    twin, _ = make_twin(plan="free", at="2028-09-04 20:00")
    with account(twin, tmp_path) as opened:
        assert bring(opened, "daily_bars", FIRST, date(2026, 6, 30))["Date"].min() == date(2026, 6, 12)
        before = len(opened.asked)
        bring(opened, "daily_bars", FIRST, date(2026, 6, 30))
        assert opened.asked[before:] == []


def test_a_range_is_cut_to_the_window(tmp_path: Path) -> None:
    twin, _ = make_twin(plan="light", at="2031-06-11 20:00")
    with account(twin, tmp_path) as opened:
        rows = bring(opened, "topix", FIRST, date(2026, 6, 30))
        assert rows["Date"].min() == date(2026, 6, 11)
        assert [one for one in opened.asked if "topix" in one] == [
            "/indices/bars/daily/topix?from=20260605&to=20260630",
            "/indices/bars/daily/topix?from=20260611&to=20260630",
        ]


def test_a_calendar_of_this_week_does_when_the_server_is_down_and_that_is_said(tmp_path: Path) -> None:
    twin, clock = make_twin()
    with account(twin, tmp_path) as opened:
        calendar = opened.source.calendar()
    clock.sleep(2 * 86_400)
    down, _ = make_twin("status=500")
    down = type(down)(down.market, down.plan, down.key, down.page_rows, clock, down.faults)
    with account(down, tmp_path) as opened:
        assert_frame_equal(opened.source.calendar(), calendar)
        assert any(note.startswith("Calendar: that of 2026-11-02 is used") for note in opened.source.notes)
    clock.sleep(7 * 86_400)
    with account(down, tmp_path) as opened, pytest.raises(ServerError):
        opened.source.calendar()


def test_the_fingerprint_changes_when_new_rows_can_be_there(night: Account) -> None:
    def prints() -> tuple[str, str]:
        source = night.source
        return source.fingerprint("daily_bars", *OCTOBER), source.fingerprint("daily_bars", *SUMMER)

    evening = prints()
    night.clock.sleep(4 * 3600)
    assert prints() == evening  # midnight brings nothing
    night.clock.sleep(20 * 3600)
    next_evening = prints()
    assert next_evening[0] != evening[0]
    assert next_evening[1] == evening[1]  # final
    night.clock.sleep(30 * 86_400)
    final = prints()
    night.clock.sleep(30 * 86_400)
    assert prints() == final


def test_bars_are_expected_from_half_past_four(tmp_path: Path) -> None:
    for at, last in (("2026-10-30 16:29", date(2026, 10, 29)), ("2026-10-30 16:30", LAST)):
        with account(make_twin(at=at)[0], tmp_path / at) as opened:
            assert opened.source.last_session() == last


def test_the_estimate_names_requests_files_and_time(night: Account) -> None:
    said: list[str] = []
    steps: list[tuple[str, int, int]] = []
    night.source.update("daily_bars", FIRST, LAST, said.append, lambda *step: steps.append(step))
    assert said == ["daily_bars: 4 bulk files and 21 requests, about 13 s (standard: 120 requests a minute)"]
    assert [step[1:] for step in steps] == [(n, 25) for n in range(1, 26)]
    assert steps[0][0].startswith("daily_bars, 1")
    assert steps[-1][0] == "daily_bars, 0 s left"
