"""Pages of the client, refusals, and the window of the plan."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import httpx
import orjson
import pytest

from atft_pipeline.errors import AtftError, AuthError, EndpointError, OutsideWindow, PlanError, WireError

from .clocks import START
from .servers import BARS, BASE, DAY, SECRET, WINDOW, Pieces, Script, data, everything_shown, refused


def test_a_page_says_what_was_asked_when_and_under_which_plan(tmp_path: Path) -> None:
    script = Script(data({"Code": "72030"}))
    with script.client(tmp_path, "light") as client:
        (page,) = client.pages(BARS, DAY)
    assert (page.path, page.params, page.number, page.plan) == (BARS, DAY, 1, "light")
    assert page.fetched_at == START
    assert orjson.loads(page.body)["data"] == [{"Code": "72030"}]
    assert "72030" not in repr(page), "five megabytes are not for the log"
    (request,) = script.requests
    assert str(request.url) == f"{BASE}{BARS}?date=2024-01-04"
    assert request.headers["x-api-key"] == SECRET
    assert request.headers["accept-encoding"] == "gzip"


def test_a_packed_body_is_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"data": []}')
    script = Script(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces(packed)))
    (page,) = script.client(tmp_path).pages(BARS, DAY)
    assert page.body == b'{"data": []}'


@pytest.mark.parametrize(
    "last", [{"data": []}, {"data": [], "pagination_key": None}, {"data": [], "pagination_key": ""}]
)
def test_pages_are_followed_with_the_same_query_until_there_is_no_key(tmp_path: Path, last: dict[str, object]) -> None:
    script = Script(data({"n": 1}, following="k/1="), data({"n": 2}, following="k2"), httpx.Response(200, json=last))
    pages = list(script.client(tmp_path).pages(BARS, DAY))
    assert [page.number for page in pages] == [1, 2, 3]
    assert all(page.params == DAY for page in pages)
    assert script.queries == [DAY, {**DAY, "pagination_key": "k/1="}, {**DAY, "pagination_key": "k2"}]


def test_a_page_is_asked_for_when_the_one_before_has_been_used(tmp_path: Path) -> None:
    script = Script(data(following="a"), data(following="b"), data())
    pages = script.client(tmp_path).pages(BARS, DAY)
    assert script.requests == []
    next(pages)
    assert len(script.requests) == 1


@pytest.mark.parametrize("keys", [["a", "a"], ["a", "b", "a"]])
def test_pages_that_go_round_in_a_circle_are_refused(tmp_path: Path, keys: list[str]) -> None:
    script = Script(*(data({"Code": "72030"}, following=key) for key in keys))
    pages = script.client(tmp_path).pages(BARS, DAY)
    for _ in keys:
        next(pages)
    with pytest.raises(WireError, match=rf"date=2024-01-04: page {len(keys)} leads back") as caught:
        next(pages)
    assert len(script.requests) == len(keys)
    shown = everything_shown(caught.value)
    assert "72030" not in shown, "rows are not for the log"


@pytest.mark.parametrize("status", [204, 210])
def test_no_data_is_an_empty_page(tmp_path: Path, status: int) -> None:
    (page,) = Script(httpx.Response(status)).client(tmp_path).pages(BARS, {"code": "99990"})
    assert page.body == b'{"data": []}'


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refused(401, "Unauthorized"), AuthError),
        (refused(403, "The incoming api key is invalid or expired."), AuthError),
        (refused(403, "This API is not available on your subscription."), PlanError),
        (refused(400, f"{WINDOW}2024-05-24 ~ 2026-05-24."), OutsideWindow),
        (refused(400, "'date' must be YYYYMMDD"), EndpointError),
        (refused(404, "Not Found"), EndpointError),
    ],
)
def test_a_refusal_is_final(tmp_path: Path, reply: httpx.Response, kind: type[AtftError]) -> None:
    script = Script(reply)
    with pytest.raises(kind):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert len(script.requests) == 1
    assert script.waits == []


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    script = Script(httpx.Response(302, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(EndpointError, match="status 302"):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert [request.url.host for request in script.requests] == ["api.jquants.com"]


@pytest.mark.parametrize(
    ("reply", "window"),
    [
        (refused(400, f"{WINDOW}2024-05-24 ~ 2026-05-24."), (date(2024, 5, 24), date(2026, 5, 24))),
        (refused(403, f"{WINDOW}20240524 ~ 20260524."), (date(2024, 5, 24), date(2026, 5, 24))),
        # 19:30 UTC is the next day in Tokyo.
        (refused(400, f"{WINDOW}2021-11-03 ~ ."), (date(2021, 11, 3), date(2026, 11, 3))),
        (refused(400, f"{WINDOW}unknown ~ 2026-05-24."), None),
        (refused(400, "Bad Request"), None),
        (data(), None),
    ],
)
def test_the_window_takes_one_request(tmp_path: Path, reply: httpx.Response, window: tuple[date, date] | None) -> None:
    script = Script(reply)
    assert script.client(tmp_path).window() == window
    assert script.queries == [{"date": "1900-01-01"}]


def test_the_window_of_a_key_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthError):
        Script(refused(403, "The incoming api key is invalid or expired.")).client(tmp_path).window()
