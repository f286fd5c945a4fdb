"""Every fault that the twin knows, and what a fetch makes of it: recovered, kept, counted, late, or failed clean."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import httpx
import orjson
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import AuthError, EndpointError, PlanError, RateLimited, ServerError, SourceError, WireError
from atft_pipeline.jquants.api.asking import Asker, Work
from atft_pipeline.jquants.api.bulk import BulkFile
from atft_pipeline.jquants.api.client import JQuantsClient, Page
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.api.questions import Question
from atft_pipeline.jquants.api.received import Received
from atft_pipeline.jquants.api.source import ApiSource
from atft_pipeline.jquants.completeness import completeness
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.twin import SIMULATED_KEY
from atft_pipeline.jquants.twin.app import Twin
from atft_pipeline.jquants.twin.faults import KINDS, FaultPlan
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import ApiSettings
from tests.unit.jquants.twin.twins import FIRST, LAST, StandingClock, make_twin, simulated

from .accounts import BASE_URL, Account, account
from .servers import Pieces

BARS, LIST, GET, FILES = "path=/equities/bars/daily", "path=/bulk/list", "path=/bulk/get", "path=/signed"
WEEK = (date(2026, 10, 23), LAST)
"""Asked day by day: 6 requests of 2 pages each."""
SUMMER = (date(2026, 6, 5), date(2026, 8, 31))
"""Three bulk files."""
DAYS, PAGES, PAGE_ROWS = 6, 2, 21
MAY_PASS = 5
"""Failures of one request that are borne."""

RECOVERED = [
    f"rate_limit,{BARS},after=4,count=3",
    f"block,{BARS},after=4,count=1",
    f"timeout=40,{BARS},after=4,count={MAY_PASS}",
    f"drip=200,{BARS},after=4,count=3",  # slow, but never silent for long
    f"drip=400,{BARS},after=4,count=3",  # silent for longer than the client waits
    f"cut,{BARS},after=4,count={MAY_PASS}",
    f"truncated_gzip,{BARS},after=4,count={MAY_PASS}",
    f"corrupt_gzip,{BARS},after=4,count={MAY_PASS}",
    f"wrong_json,{BARS},after=4,count={MAY_PASS}",
    *(f"status={code},{BARS},after=4,count={MAY_PASS}" for code in (408, 500, 502, 503, 504)),
    f"repeated_key,{BARS},after=5,count=1",
    f"invalid_key,{BARS},after=4,count=1",
]
RECOVERED_FILES = [
    *(f"{kind},{LIST},count={MAY_PASS}" for kind in ("status=503", "cut", "wrong_json", "corrupt_gzip", "timeout=40")),
    *(f"{kind},{GET},after=1,count=3" for kind in ("rate_limit", "status=500", "truncated_gzip", "wrong_json")),
    *(f"{kind},{FILES},count=3" for kind in ("cut", "truncated_gzip", "corrupt_gzip", "timeout=40", "drip=400")),
    *(f"status={code},{FILES},after=1,count=3" for code in (403, 404, 500, 503)),
    f"block,{GET},after=1,count=1",
]


@dataclass(frozen=True)
class Failed:
    """A fault that no patience mends, while days are asked for one by one, or while bulk files are fetched.

    Attributes:
        fault: what goes wrong, and from when on.
        error: what the fetch ends with.
        words: of its message.
        kept: answers that had come before, and stay.
    """

    fault: str
    error: type[SourceError]
    words: str
    kept: int

    @property
    def period(self) -> tuple[date, date]:
        return SUMMER if any(path in self.fault for path in (LIST, GET, FILES)) else WEEK


DAYS_BEFORE = 4 // PAGES
FAILED = [
    Failed(f"rate_limit,{BARS},after=4", RateLimited, "65, 130, 310 s", DAYS_BEFORE),
    Failed(f"block,{BARS},after=4", RateLimited, "blocked for a while", DAYS_BEFORE),
    Failed(f"expired_key,{BARS},after=4", AuthError, "invalid or has expired", DAYS_BEFORE),
    Failed(f"status=401,{BARS},after=4", AuthError, "401", DAYS_BEFORE),
    Failed(f"status=403,{BARS},after=4", PlanError, "403", DAYS_BEFORE),
    Failed(f"status=404,{BARS},after=4", EndpointError, "404", DAYS_BEFORE),
    Failed(f"status=503,{BARS},after=4", ServerError, "503", DAYS_BEFORE),
    Failed(f"timeout=40,{BARS},after=4", ServerError, "no answer (ReadTimeout", DAYS_BEFORE),
    Failed(f"drip=400,{BARS},after=4", ServerError, "no answer (ReadTimeout", DAYS_BEFORE),
    Failed(f"cut,{BARS},after=4", ServerError, "RemoteProtocolError", DAYS_BEFORE),
    Failed(f"truncated_gzip,{BARS},after=4", WireError, "cut short", DAYS_BEFORE),
    Failed(f"corrupt_gzip,{BARS},after=4", WireError, "cannot be unpacked", DAYS_BEFORE),
    Failed(f"wrong_json,{BARS},after=4", WireError, "cut short", DAYS_BEFORE),
    Failed(f"repeated_key,{BARS},after=4", WireError, "leads back", DAYS_BEFORE),
    Failed(f"invalid_key,{BARS},after=4", EndpointError, "'pagination_key' is invalid", DAYS_BEFORE),
    Failed(f"missing_column=Vo,{BARS},after=4", WireError, "required column Vo is missing", DAYS_BEFORE),
    Failed(f"missing_column=Vo,{BARS},after=4,count=1", WireError, "required column Vo is missing", DAYS_BEFORE),
    Failed(f"expired_key,{LIST}", AuthError, "/bulk/list", 0),
    Failed(f"wrong_json,{LIST}", WireError, "/bulk/list", 0),
    Failed(f"expired_key,{GET},after=2", AuthError, "/bulk/get", 2),
    Failed(f"wrong_json,{GET},after=1", WireError, "/bulk/get", 1),
    Failed(f"cut,{FILES},after=1", ServerError, "broke off (RemoteProtocolError)", 1),
    Failed(f"timeout=40,{FILES},after=1", ServerError, "broke off (ReadTimeout)", 1),
    Failed(f"status=403,{FILES},after=2", ServerError, "the storage answered with status 403", 2),
    Failed(f"corrupt_gzip,{FILES},after=1", WireError, "not a whole gzip file", 1),
]
KEPT = f"new_column=Mood,{BARS},after=5"
COUNTED = f"unreadable_column=Vo,{BARS},after=5,count=2"
ABSENT = f"missing_column=UL,{BARS}"
LATE = "late_fins=20"


def test_the_tables_name_every_kind() -> None:
    named = [*RECOVERED, *(failed.fault for failed in FAILED), KEPT, COUNTED, ABSENT, LATE]
    assert {kind_of(fault) for fault in named} == {kind_of(kind) for kind in KINDS}


def kind_of(fault: str) -> str:
    return fault.split(",")[0].split("=")[0]


def bring(opened: Account, name: str, start: date, end: date) -> pl.DataFrame:
    """Asked, fetched, typed and sorted."""
    opened.source.update(name, start, end, lambda text: None, lambda label, done, total: None)
    return typed(opened.source.fetch(name, start, end), name)


def typed(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return to_typed(rows, ENDPOINTS[name]).frame.sort(ENDPOINTS[name].key)


def market(name: str, start: date, end: date) -> pl.DataFrame:
    """The same rows without a network in between."""
    return typed(simulated(name, start, end), name)


def mended(twin: Twin) -> Twin:
    """The same twin, at the same moment, without faults."""
    return replace(twin, faults=FaultPlan())


@pytest.mark.parametrize("fault", RECOVERED)
def test_recovered_day_by_day(tmp_path: Path, fault: str) -> None:
    with account(make_twin(fault, page_rows=PAGE_ROWS)[0], tmp_path) as opened:
        assert_frame_equal(bring(opened, "daily_bars", *WEEK), market("daily_bars", *WEEK))
        assert len(opened.asked) > DAYS * PAGES or fault.startswith("drip=200")


@pytest.mark.parametrize("fault", RECOVERED_FILES)
def test_recovered_files(tmp_path: Path, fault: str) -> None:
    with account(make_twin(fault)[0], tmp_path) as opened:
        assert_frame_equal(bring(opened, "daily_bars", *SUMMER), market("daily_bars", *SUMMER))
        assert {answer.form for answer in opened.source.received.latest("daily_bars").values()} == {"bulk"}
        assert opened.waits


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[date, date], set[str]]:
    """What an account asks of each period where nothing goes wrong."""
    asked = {}
    for period in (WEEK, SUMMER):
        with account(make_twin(page_rows=PAGE_ROWS)[0], tmp_path_factory.mktemp("undisturbed")) as opened:
            bring(opened, "daily_bars", *period)
            asked[period] = questions_of(opened)
    return asked


@pytest.mark.parametrize("case", FAILED, ids=lambda case: case.fault)
def test_failed_clean_and_then_only_the_rest_is_asked(
    tmp_path: Path, undisturbed: Mapping[tuple[date, date], set[str]], case: Failed
) -> None:
    expected, every = market("daily_bars", *case.period), undisturbed[case.period]
    twin, _ = make_twin(case.fault, page_rows=PAGE_ROWS)
    with account(twin, tmp_path / "night") as opened:
        with pytest.raises(SourceError) as caught:
            bring(opened, "daily_bars", *case.period)
        kept = kept_by(opened)
    assert type(caught.value) is case.error
    assert case.words in caught.value.problem
    assert caught.value.remedy.endswith(".")
    assert len(kept) == case.kept
    with account(mended(twin), tmp_path / "night") as opened:
        assert_frame_equal(bring(opened, "daily_bars", *case.period), expected)
        assert questions_of(opened) == every - kept
        kept_by(opened)


def questions_of(opened: Account) -> set[str]:
    """What was asked for days and files, pages put together."""
    return {one for one in opened.asked if not one.startswith("/bulk/list")}


def kept_by(opened: Account) -> set[str]:
    """The requests whose answers are kept; every file of the store is one of them, and whole."""
    received = opened.source.received
    answers = [answer for name in ENDPOINTS for answer in received.latest(name).values()]
    folders = [received.folder / name for name in ENDPOINTS]
    files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert files == {received.folder / answer.file for answer in answers}
    bars = received.latest("daily_bars").values()
    assert all(received.bodies(answer) for answer in bars if answer.form == "pages")
    return {
        f"/bulk/get?key={answer.question}"
        if answer.form == "bulk"
        else f"/equities/bars/daily?date={answer.first:%Y%m%d}"
        for answer in bars
    }


def test_a_new_column_is_kept_and_reported(tmp_path: Path) -> None:
    """The schema drifts in the middle of the third day's query."""
    with account(make_twin(KEPT, page_rows=PAGE_ROWS)[0], tmp_path) as opened:
        opened.source.update("daily_bars", *WEEK, print, lambda *step: None)
        found = to_typed(opened.source.fetch("daily_bars", *WEEK), ENDPOINTS["daily_bars"])
    assert found.unknown_columns == ("Mood",)
    assert found.failed_casts == {}
    known = found.frame.sort("Date", "Code")
    assert_frame_equal(known.drop("Mood"), market("daily_bars", *WEEK))
    assert known.select((pl.col("Mood").is_null() == (page() < 5)).all()).item()


def page() -> pl.Expr:
    """The number of the page that a row came on, from 0, over all days."""
    return PAGES * (pl.col("Date").rank("dense") - 1) + pl.int_range(pl.len()).over("Date") // PAGE_ROWS


def test_unreadable_values_become_null_and_are_counted(tmp_path: Path) -> None:
    with account(make_twin(COUNTED, page_rows=PAGE_ROWS)[0], tmp_path) as opened:
        opened.source.update("daily_bars", *WEEK, print, lambda *step: None)
        found = to_typed(opened.source.fetch("daily_bars", *WEEK), ENDPOINTS["daily_bars"])
    struck = page().is_in([5, 6])  # the last page of one day, the first of the next
    expected = market("daily_bars", *WEEK).with_columns(Vo=pl.when(~struck).then("Vo"))
    assert found.failed_casts == {"Vo": expected.select(struck.sum()).item()}
    assert_frame_equal(found.frame.sort("Date", "Code"), expected)


def test_a_column_that_nobody_needs_can_be_missing(tmp_path: Path) -> None:
    with account(make_twin(ABSENT)[0], tmp_path) as opened:
        assert_frame_equal(bring(opened, "daily_bars", *WEEK), market("daily_bars", *WEEK).drop("UL"))


def test_late_statements_come_the_next_evening(tmp_path: Path) -> None:
    """At 20:00 nothing of the day is out; that is no error, and not done either."""
    day = busy_day()
    whole = market("financial_summaries", day, day)
    with account(make_twin(LATE, at=f"{day} 20:00")[0], tmp_path) as opened:
        assert bring(opened, "financial_summaries", day, day).height == 0
        opened.clock.sleep(25 * 3600)
        assert_frame_equal(bring(opened, "financial_summaries", day, day), whole.select(found_columns(opened, day)))


def busy_day() -> date:
    """The last day with several statements."""
    day = simulated("financial_summaries").filter(pl.len().over("DiscDate") >= 2)["DiscDate"].max()
    assert isinstance(day, str)
    return date.fromisoformat(day)


def found_columns(opened: Account, day: date) -> list[str]:
    return typed(opened.source.fetch("financial_summaries", day, day), "financial_summaries").columns


def test_statements_that_stay_away_are_told_as_late_and_not_as_lost(tmp_path: Path) -> None:
    with account(make_twin("late_fins=800")[0], tmp_path) as opened:
        rows = bring(opened, "financial_summaries", FIRST, LAST)
        lacks = completeness(rows.lazy(), ENDPOINTS["financial_summaries"], sessions(), lookback_days=7)
    assert rows.filter(pl.col("DiscDate") > date(2026, 9, 30)).is_empty()
    assert (lacks.holes, lacks.late) == ((), ("2026-10",))


def sessions() -> list[date]:
    return simulated("topix")["Date"].str.to_date().to_list()


def test_more_than_ten_minutes_of_503_end_the_run_and_not_before_two(tmp_path: Path) -> None:
    twin, clock = make_twin(f"status=503,{BARS},after=2")
    with account(twin, tmp_path) as opened:
        bring(opened, "topix", *WEEK)
        began = clock.now()
        with pytest.raises(ServerError, match="503"):
            bring(opened, "daily_bars", *WEEK)
        lasted = clock.now() - began
        assert timedelta(minutes=1) < lasted < timedelta(minutes=10)
        assert len(opened.asked) == 2 + 6 + 1  # two days, six attempts at the third, and the index
        assert len(opened.source.received.latest("daily_bars")) == 2
    clock.sleep(600)
    with account(mended(twin), tmp_path) as opened:
        assert_frame_equal(bring(opened, "daily_bars", *WEEK), market("daily_bars", *WEEK))
        assert len(opened.asked) == DAYS - 2


def test_a_block_is_waited_for_and_named_in_advance(tmp_path: Path) -> None:
    twin, clock = make_twin(f"block,{BARS},after=2,count=1")
    began = clock.now()
    with account(twin, tmp_path) as opened:
        bring(opened, "daily_bars", *WEEK)
        assert [seconds for reason, seconds in opened.waits if "429" in reason] == [65.0, 130.0, 310.0]
    assert timedelta(seconds=505) < clock.now() - began < timedelta(seconds=540)


@pytest.mark.parametrize("known_until", ["2026-09-25 20:00", "2026-09-29 20:00"])
def test_margin_balances_become_daily_and_wider_on_the_way(tmp_path: Path, known_until: str) -> None:
    """What was asked before the change has nine columns and weeks; afterwards there are sixteen, and days."""
    _, clock = make_twin(at=known_until)
    twin = at_clock(make_twin()[0], clock)
    with account(twin, tmp_path) as opened:
        early = bring(opened, "margin_interest", FIRST, clock.now().date())
        assert ("PubDate" in early.columns) == (known_until > "2026-09-28")
        before = early["Date"].unique().sort().to_list()
        for _ in range(6):  # an evening each week
            clock.sleep(7 * 86_400)
            bring(opened, "margin_interest", FIRST, min(LAST, clock.now().date()))
        found = bring(opened, "margin_interest", FIRST, LAST)
    expected = market("margin_interest", FIRST, LAST)
    weekly = [day for day in expected["Date"].unique() if day < date(2026, 9, 25)]
    assert set(before) <= set(expected["Date"])
    assert len(weekly) < 20
    assert_frame_equal(
        found.select("Date", "Code", "ShrtVol", "LongVol", "IssType"),
        expected.select("Date", "Code", "ShrtVol", "LongVol", "IssType"),
    )
    daily = pl.col("Date") >= date(2026, 9, 25)
    assert_frame_equal(found.filter(daily).select(expected.columns), expected.filter(daily))
    assert found.filter(~daily)["PubDate"].null_count() == found.filter(~daily).height


def at_clock(twin: Twin, clock: StandingClock) -> Twin:
    return replace(twin, clock=clock)


def test_a_window_that_begins_at_the_change_cuts_the_weeks_before_it(tmp_path: Path) -> None:
    with account(make_twin(at="2036-09-18 20:00")[0], tmp_path) as opened:
        found = bring(opened, "margin_interest", FIRST, LAST)
        expected = market("margin_interest", date(2026, 9, 18), LAST)
        assert_frame_equal(found, expected.select(found.columns))
        before = len(opened.asked)
        bring(opened, "margin_interest", FIRST, LAST)
        assert opened.asked[before:] == []


@pytest.mark.parametrize("plan", ["free", "light", "standard", "premium"])
def test_every_plan_has_its_columns_and_its_window(tmp_path: Path, plan: PlanName) -> None:
    """Morning and afternoon columns come with premium; twelve weeks are not there for nothing."""
    with account(make_twin(plan=plan)[0], tmp_path) as opened:
        end = min(LAST, opened.source.last_session())
        found = bring(opened, "daily_bars", FIRST, LAST)
    assert ("MO" in found.columns) == (plan == "premium")
    assert found["Date"].max() == end
    expected = market("daily_bars", FIRST, end)
    assert_frame_equal(found.select(expected.columns), expected)


def test_a_smaller_plan_than_the_settings_say_is_told_with_what_to_set(tmp_path: Path) -> None:
    with account(make_twin(plan="free")[0], tmp_path) as opened:
        client = JQuantsClient(
            BASE_URL, ApiKey(SIMULATED_KEY), "standard", tmp_path, clock=opened.clock, transport=opened.transport
        )
        settings = ApiSettings(base_url=BASE_URL, plan="standard")
        source = ApiSource(client, opened.source.received, settings, opened.clock, workers=1)
        for name in ("short_ratio", "daily_bars"):  # one that is not served, one whose files are not
            with pytest.raises(PlanError, match="not available on your subscription") as caught:
                source.update(name, *SUMMER, print, lambda *step: None)
            assert "source.api.plan" in caught.value.remedy
            assert source.received.latest(name) == {}


def test_a_row_that_moved_between_two_pages_stands_once(tmp_path: Path) -> None:
    """Rows may come while pages are read: the last row of a page is then the first of the next."""
    month = (date(2026, 10, 1), LAST)
    with account(make_twin(page_rows=PAGE_ROWS)[0], tmp_path) as opened:
        expected = bring(opened, "topix", *month)
        (answer,) = opened.source.received.about("topix", *month)
        body = orjson.loads(opened.source.received.bodies(answer)[0])
        moved = orjson.dumps({"data": [*body["data"], body["data"][-1]]})
        now = opened.clock.now()
        question = Question(answer.question, answer.first, answer.last, {})
        opened.source.received = Received(tmp_path / "moved")
        opened.source.received.keep_pages("topix", question, [Page("", {}, 1, now, "standard", moved)], now)
        assert_frame_equal(typed(opened.source.fetch("topix", *month), "topix"), expected)


def test_a_bulk_file_without_a_needed_column_is_not_kept(tmp_path: Path) -> None:
    content = gzip.compress(b"Date,Code,O,H,L,C,Va,AdjFactor\n2026-06-05,13010,1,1,1,1,1,1\n")
    name = "equities_bars_daily_202606.csv.gz"

    def storage(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/bulk/get":
            return httpx.Response(200, json={"url": "https://storage.example/file"})
        return httpx.Response(200, stream=Pieces(content))

    with account(make_twin()[0], tmp_path) as opened:
        client = JQuantsClient(
            BASE_URL,
            ApiKey(SIMULATED_KEY),
            "standard",
            tmp_path,
            clock=opened.clock,
            transport=httpx.MockTransport(storage),
        )
        received, bars = opened.source.received, ENDPOINTS["daily_bars"]
        asker = Asker(client, received, PLANS["standard"], opened.clock, lookback_days=7, workers=1)
        question = Question(name, date(2026, 6, 1), date(2026, 6, 30), {})
        with pytest.raises(WireError, match=r"required column Vo is missing.*the answer is not kept"):
            asker.do(Work(bars, ((BulkFile(name, len(content), None), question),), ()))
        assert received.latest("daily_bars") == {}
        assert not [path for path in received.folder.rglob("*.csv.gz*") if path.is_file()]
