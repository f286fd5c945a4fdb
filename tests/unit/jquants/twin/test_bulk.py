"""Files hold the rows of the JSON answers; their addresses work once, for five minutes."""

from __future__ import annotations

import gzip
from datetime import date
from typing import Any

import httpx
import orjson
import polars as pl
import pytest

from atft_pipeline.jquants.data_files import parse_name
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.twin.published import PublishedRows
from atft_pipeline.jquants.wire import to_typed

from .twins import LAST, MARKET, client_of, make_twin, message_of, path_of, rows_of, serving, simulated, tokyo

BARS = "/equities/bars/daily"


def listed(client: httpx.Client, path: str = BARS) -> list[dict[str, Any]]:
    answer = client.get("/bulk/list", params={"endpoint": path})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def address(client: httpx.Client, key: str) -> str:
    return str(client.get("/bulk/get", params={"key": key}).json()["url"])


def fetched(client: httpx.Client, key: str, **headers: str) -> httpx.Response:
    """The answer at a file's address, asked without the key as the address is signed."""
    request = client.build_request("GET", address(client, key), headers=headers)
    del request.headers["x-api-key"]
    return client.send(request)


def csv(content: bytes) -> pl.DataFrame:
    return pl.read_csv(gzip.decompress(content), infer_schema=False)


def test_months_and_the_days_of_the_running_month_are_listed() -> None:
    with serving(at="2026-10-06 20:00") as client:
        files = listed(client)
    assert [file["Key"] for file in files] == [
        "historical/2026/equities_bars_daily_202606.csv.gz",
        "historical/2026/equities_bars_daily_202607.csv.gz",
        "historical/2026/equities_bars_daily_202608.csv.gz",
        "historical/2026/equities_bars_daily_202609.csv.gz",
        "live/equities_bars_daily_20261001.csv.gz",
        "live/equities_bars_daily_20261002.csv.gz",
        "live/equities_bars_daily_20261005.csv.gz",
        "live/equities_bars_daily_20261006.csv.gz",
    ]
    assert files[-1]["LastModified"] == "2026-10-06T07:30:00Z"
    assert all(file["Size"] > 100 for file in files)
    with serving(at="2026-10-06 16:29") as client:
        assert [file["Key"] for file in listed(client)] == [file["Key"] for file in files[:-1]]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_all_files_together_hold_what_was_published(name: str) -> None:
    endpoint, frames = ENDPOINTS[name], []
    with serving(at="2026-10-20 20:00", plan="premium") as client:
        for file in listed(client, endpoint.path):
            content = fetched(client, file["Key"]).content
            assert len(content) == file["Size"]
            frames.append(csv(content))
            assert in_period(frames[-1][endpoint.date_column], file["Key"])
    rows = to_typed(pl.concat(frames), endpoint)
    published = PublishedRows(MARKET)
    last = LAST if name != "trading_calendar" else date(2026, 10, 20)
    whole = published.rows(endpoint, published.calendar_start, last, tokyo("2026-10-20 20:00"))
    assert rows.failed_casts == {}
    assert rows.frame.select(whole.columns).equals(to_typed(whole, endpoint).frame)


def in_period(dates: pl.Series, key: str) -> bool:
    """Whether all dates lie in the period that a file's name says."""
    known = parse_name(key.rsplit("/", 1)[-1])
    assert known is not None
    assert known[1] is not None
    first, last = known[1]
    return dates.is_between(pl.lit(str(first)), pl.lit(str(last))).all()


def test_a_live_file_holds_the_rows_of_the_days_answer() -> None:
    with serving() as client:
        day = rows_of(client, path_of("margin_alert"), date=simulated("margin_alert")["PubDate"][-1])
    with serving(at=f"{LAST} 20:00") as client:
        file = listed(client, path_of("margin_alert"))[-1]
        rows = csv(fetched(client, file["Key"]).content).to_dicts()
    assert [orjson.loads(row["PubReason"]) for row in rows] == [row["PubReason"] for row in day]
    assert [row["LongOutChg"] for row in rows] == [str(row["LongOutChg"]) for row in day]


def test_the_same_rows_give_the_same_bytes() -> None:
    key = "historical/2026/equities_bars_daily_202609.csv.gz"
    contents = []
    for at in ("2026-10-06 20:00", "2026-10-30 20:00"):
        with serving(at=at) as client:
            contents.append(fetched(client, key).content)
    assert contents[0] == contents[1]
    assert contents[0][4:8] == bytes(4)  # gzip's time stamp


def test_an_address_works_once_and_for_five_minutes() -> None:
    twin, clock = make_twin()
    with client_of(twin, headers={}) as client:
        key = "historical/2026/equities_bars_daily_202609.csv.gz"
        api = {"x-api-key": "simulated-key"}
        url = client.get("/bulk/get", params={"key": key}, headers=api).json()["url"]
        assert url.startswith("http://twin/signed/")
        assert client.get(url).status_code == 200
        assert message_of(client, url, 403) == "Request has expired."
        for wait, status in ((299, 200), (301, 403)):
            url = client.get("/bulk/get", params={"key": key}, headers=api).json()["url"]
            clock.sleep(wait)
            assert client.get(url).status_code == status
        url = client.get("/bulk/get", params={"key": key}, headers=api).json()["url"]
        assert client.get(url, headers=api).status_code == 400  # the key is not for strangers


def test_a_part_of_a_file() -> None:
    key = "historical/2026/equities_bars_daily_202609.csv.gz"
    with serving() as client:
        whole = fetched(client, key).content
        rest = fetched(client, key, range="bytes=100-")
        assert (rest.status_code, rest.content) == (206, whole[100:])
        assert rest.headers["content-range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
        part = fetched(client, key, range="bytes=0-9")
        assert part.content == whole[:10]
        beyond = fetched(client, key, range=f"bytes={len(whole)}-")
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")


def test_what_is_refused() -> None:
    with serving(plan="free") as client:
        assert "subscription" in message_of(client, "/bulk/list", 403, endpoint=path_of("trading_calendar"))
    with serving(plan="light") as client:
        assert "subscription" in message_of(client, "/bulk/list", 403, endpoint=path_of("short_ratio"))
        assert "endpoint" in message_of(client, "/bulk/list", 400)
        assert "endpoint" in message_of(client, "/bulk/list", 400, endpoint="/equities/nothing")
        for key in ("historical/2026/equities_bars_daily_202610.csv", "live/equities_bars_daily_202609.csv.gz", "x"):
            assert "key" in message_of(client, "/bulk/get", 400, key=key)


def test_a_plans_window_cuts_the_oldest_file() -> None:
    with serving(plan="light", at="2031-09-15 20:00") as client:
        oldest = listed(client)[0]
        days = csv(fetched(client, oldest["Key"]).content)["Date"]
    assert oldest["Key"] == "historical/2026/equities_bars_daily_202609.csv.gz"
    assert str(days.min()) == "2026-09-15"
