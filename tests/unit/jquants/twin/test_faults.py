"""Each fault does what it says, to the requests it names and to no others."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import httpx
import orjson
import polars as pl
import pytest

from atft_pipeline.errors import SettingsError, WireError
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.twin.effects import Cut, NewColumn, Status, Timeout
from atft_pipeline.jquants.twin.faults import Fault, FaultPlan
from atft_pipeline.jquants.wire import to_typed

from .twins import KEY, client_of, make_twin, message_of, path_of, rows_of, serving

BARS = "/equities/bars/daily"
DAY = {"date": "2026-10-30"}


def statuses(client: httpx.Client, n: int, path: str = BARS) -> list[int]:
    return [client.get(path, params=DAY).status_code for _ in range(n)]


def test_a_plan_is_read_from_text() -> None:
    plan = FaultPlan.parse(["status=503,count=3,path=/fins/summary", " timeout=2.5 , after=1", "cut", "new_column=X"])
    assert plan.faults[0] == Fault(Status(503), "/fins/summary", 0, 3)
    assert plan.faults[1] == Fault(Timeout(2.5), "", 1, None)
    assert isinstance(plan.faults[2].effect, Cut)
    assert plan.faults[3].effect == NewColumn("X")
    assert FaultPlan.parse([]).faults == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "''"),
        ("storm", "'storm'"),
        ("status", "'status'"),
        ("status=200", "200 is not a status"),
        ("status=late", "'late'"),
        ("timeout=-1", "'-1'"),
        ("cut=1", "'cut=1'"),
        ("cut,count=1.5", "'1.5'"),
        ("cut,often=2", "'often=2'"),
        ("cut,path=fins", "path fins"),
        ("late_fins=3,count=2", "count"),
        ("new_column", "'new_column'"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_can(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FaultPlan.parse([text])
    assert words in caught.value.problem
    assert "status=CODE" in caught.value.remedy


def test_after_count_and_path_choose_the_requests() -> None:
    with serving("status=502,after=1,count=2,path=/equities/bars/daily") as client:
        assert statuses(client, 2, path_of("margin_alert")) == [200, 200]
        assert statuses(client, 5) == [200, 502, 502, 200, 200]
    with serving("status=500,path=/equities") as client:
        assert statuses(client, 1) == [500]
        assert statuses(client, 1, path_of("short_ratio")) == [200]
    with serving("status=503,count=1", "status=500,count=2") as client:
        assert statuses(client, 3) == [503, 500, 200]


@pytest.mark.parametrize("code", [401, 500, 502, 503])
def test_a_status(code: int) -> None:
    with serving(f"status={code},count=1") as client:
        assert str(code) in message_of(client, BARS, code, **DAY)


def test_a_burst_of_429_passes_by_itself() -> None:
    with serving("rate_limit,after=1,count=2") as client:
        assert statuses(client, 4) == [200, 429, 429, 200]


def test_a_block_lasts_five_minutes_for_every_path() -> None:
    twin, clock = make_twin("block,after=1,count=1")
    with client_of(twin) as client:
        assert statuses(client, 2) == [200, 429]
        clock.sleep(299)
        assert statuses(client, 1, path_of("short_ratio")) == [429]
        clock.sleep(1)
        assert statuses(client, 1) == [200]


def test_a_key_expires() -> None:
    with serving("expired_key,after=2") as client:
        assert statuses(client, 4) == [200, 200, 403, 403]
        assert "expired" in message_of(client, BARS, 403, **DAY)


def test_an_answer_is_held_back() -> None:
    twin, clock = make_twin("timeout=40,count=2")
    begun = clock.now()
    with client_of(twin, timeout=30.0) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get(BARS, params=DAY)
        assert (clock.now() - begun).total_seconds() == 30
        assert client.get(BARS, params=DAY, timeout=60.0).status_code == 200
        assert (clock.now() - begun).total_seconds() == 70
        assert statuses(client, 1) == [200]
        assert (clock.now() - begun).total_seconds() == 70


def test_a_body_drips_without_ever_timing_out() -> None:
    twin, clock = make_twin("drip=80,count=1")
    begun = clock.now()
    with client_of(twin, timeout=30.0) as client:
        assert statuses(client, 1) == [200]
        assert (clock.now() - begun).total_seconds() == 80


def test_a_connection_is_cut() -> None:
    with serving("cut,count=1") as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(BARS, params=DAY)
        assert statuses(client, 1) == [200]


def broken(answer: httpx.Response) -> bool:
    try:
        orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return True
    return False


def test_gzip_is_truncated_or_corrupt() -> None:
    with serving("truncated_gzip,count=1") as client:
        assert broken(client.get(BARS, params=DAY))
        assert not broken(client.get(BARS, params=DAY))
    with serving("corrupt_gzip,count=1") as client:
        with pytest.raises(httpx.DecodingError):
            client.get(BARS, params=DAY)
        assert statuses(client, 1) == [200]


def damaged_file(fault: str) -> tuple[bytes, int]:
    """A file fetched twice: damaged, and its size in the list."""
    with serving(f"{fault},path=/signed,count=1") as client:
        file = client.get("/bulk/list", params={"endpoint": BARS}).json()["data"][0]
        contents = []
        for _ in range(2):
            url = client.get("/bulk/get", params={"key": file["Key"]}).json()["url"]
            request = client.build_request("GET", url)
            del request.headers["x-api-key"]
            contents.append(client.send(request).content)
    assert gzip.decompress(contents[1]).startswith(b"Date,Code")
    return contents[0], file["Size"]


@pytest.mark.parametrize(
    ("fault", "keeps_size"), [("truncated_gzip", False), ("corrupt_gzip", True)], ids=["truncated", "corrupt"]
)
def test_files_are_damaged_where_they_are_named(fault: str, keeps_size: bool) -> None:
    content, size = damaged_file(fault)
    assert (len(content) == size) == keeps_size
    with pytest.raises((EOFError, OSError, zlib.error)):
        gzip.decompress(content)


def test_without_a_path_files_are_spared() -> None:
    with serving("status=500,after=2") as client:
        key = client.get("/bulk/list", params={"endpoint": BARS}).json()["data"][0]["Key"]
        request = client.build_request("GET", client.get("/bulk/get", params={"key": key}).json()["url"])
        del request.headers["x-api-key"]
        assert client.send(request).status_code == 200
        assert statuses(client, 1) == [500]


def test_a_pagination_key_that_repeats_and_one_that_is_refused() -> None:
    with serving("repeated_key", page_rows=10) as client:
        key = client.get(BARS, params=DAY).json()["pagination_key"]
        for _ in range(3):
            page = client.get(BARS, params={**DAY, "pagination_key": key}).json()
            assert page["pagination_key"] == key
    with serving("invalid_key,count=1", page_rows=10) as client:
        key = client.get(BARS, params=DAY).json()["pagination_key"]
        assert "pagination_key" in message_of(client, BARS, 400, **DAY, pagination_key=key)


def changed(fault: str, path: str = BARS) -> list[dict[str, object]]:
    with serving(fault) as client:
        return rows_of(client, path, **DAY)


def test_columns_come_go_and_change() -> None:
    plain = changed("status=500,path=/nowhere")
    assert changed("new_column=Mood") == [{**row, "Mood": 1.5} for row in plain]
    assert changed("missing_column=Vo") == [
        {name: value for name, value in row.items() if name != "Vo"} for row in plain
    ]
    assert changed("unreadable_column=Vo") == [{**row, "Vo": "n/a"} for row in plain]
    assert changed("missing_column=Weather") == changed("unreadable_column=Weather") == plain
    alerts = changed("unreadable_column=ShrtOut", path_of("margin_alert"))
    assert {row["ShrtOut"] for row in alerts} <= {"n/a"}


def test_the_reader_of_rows_sees_the_change() -> None:
    bars = ENDPOINTS["daily_bars"]
    assert to_typed(pl.DataFrame(changed("new_column=Mood")), bars).unknown_columns == ("Mood",)
    unreadable = to_typed(pl.DataFrame(changed("unreadable_column=Vo")), bars)
    assert unreadable.failed_casts == {"Vo": unreadable.frame.height}
    with pytest.raises(WireError, match="Vo"):
        to_typed(pl.DataFrame(changed("missing_column=Vo")), bars)


def test_wrong_json() -> None:
    with serving("wrong_json,count=1") as client:
        answer = client.get(BARS, params=DAY)
        assert answer.status_code == 200
        assert broken(answer)


def outcome(client: httpx.Client) -> object:
    try:
        answer = client.get(BARS, params=DAY)
        return answer.status_code, answer.content
    except httpx.HTTPError as error:
        return type(error)


def outcomes(make: Callable[[], tuple[str, ...]]) -> list[object]:
    twin, _ = make_twin(*make())
    with client_of(twin, headers=KEY) as client:
        return [outcome(client) for _ in range(6)]


def test_a_run_with_faults_can_be_repeated() -> None:
    faults = ("cut,after=1,count=1", "corrupt_gzip,after=2,count=1", "status=503,after=4")
    assert outcomes(lambda: faults) == outcomes(lambda: faults)
    assert len({str(found) for found in outcomes(lambda: faults)}) == 4
