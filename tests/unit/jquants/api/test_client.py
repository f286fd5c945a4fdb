"""Pages, pace and patience of the client, against a server that is a list of answers."""

from __future__ import annotations

import gzip
import logging
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

import httpx
import orjson
import pytest

from atft_pipeline.errors import (
    AtftError,
    AuthError,
    EndpointError,
    OutsideWindow,
    PlanError,
    RateLimited,
    ServerError,
    SettingsError,
    WireError,
)
from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.plan_names import PlanName

from .clocks import START, VirtualClock
from .servers import BASE, SECRET, Pieces, Reply, Script, data, everything_shown, refused

BARS = "/equities/bars/daily"
WINDOW = "Your subscription covers the following dates: "
DAY = {"date": "2024-01-04"}


def test_a_page_says_what_was_asked_when_and_under_which_plan(tmp_path: Path) -> None:
    script = Script(data({"Code": "72030"}))
    with script.client(tmp_path, "light") as client:
        (page,) = client.pages(BARS, DAY)
    assert (page.path, page.params, page.number, page.plan) == (BARS, DAY, 1, "light")
    assert page.fetched_at == START
    assert orjson.loads(page.body)["data"] == [{"Code": "72030"}]
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


def test_429_blocks_everybody_longer_each_time_and_then_is_an_error(tmp_path: Path) -> None:
    script = Script(refused(429, "Too Many Requests"))
    with pytest.raises(RateLimited, match="Too Many Requests"):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert script.times == pytest.approx([0.0, 65.0, 195.0, 505.0], abs=1.0)
    reason = f"{BARS}?date=2024-01-04: too many requests (429)"
    assert script.waits == [(reason, 65.0), (reason, 130.0), (reason, 310.0)]


class Killed(Exception):
    """The process ends here."""


class ClockOfTheKilled(VirtualClock):
    """Ends the process when it would wait."""

    def sleep(self, seconds: float) -> None:
        if seconds > 0.0:
            raise Killed


def test_another_process_waits_out_the_block_and_says_so(tmp_path: Path) -> None:
    first, second = Script(refused(429, "Too Many Requests")), Script(data())
    first.clock = ClockOfTheKilled()
    with pytest.raises(Killed):
        list(first.client(tmp_path).pages(BARS, DAY))
    list(second.client(tmp_path).pages(BARS, DAY))
    assert second.times == pytest.approx([65.0], abs=1e-3)
    ((reason, seconds),) = second.waits
    assert "limit, shared with others" in reason
    assert seconds == pytest.approx(65.0, abs=1e-3)


PASSING: dict[str, Reply] = {
    **{str(status): refused(status, "Oops") for status in (500, 502, 503, 504)},
    "read timeout": httpx.ReadTimeout("slow"),
    "connect timeout": httpx.ConnectTimeout("slow"),
    "refused": httpx.ConnectError("[Errno 111] Connection refused"),
    "reset": httpx.ReadError("reset"),
    "cut": httpx.Response(200, stream=Pieces(b'{"da', httpx.RemoteProtocolError("peer closed connection"))),
}
CORRUPT: dict[str, Reply] = {
    "no gzip": httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces(b'{"data": []}')),
    "half a gzip": httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=Pieces(gzip.compress(b'{"data": []}')[:-12])
    ),
    "half a JSON": httpx.Response(200, content=b'{"data": [{"Code": "72'),
    "no JSON": httpx.Response(200, content=b"<html>maintenance</html>"),
    "no body": httpx.Response(200),
    "no data": httpx.Response(200, json={"message": "ok"}),
    "data is no list": httpx.Response(200, json={"data": {"Code": "72030"}}),
    "no object": httpx.Response(200, json=[1]),
    "odd page key": httpx.Response(200, json={"data": [], "pagination_key": 7}),
}


@pytest.mark.parametrize("name", [*PASSING, *CORRUPT])
def test_what_may_pass_is_asked_again(tmp_path: Path, name: str) -> None:
    reply = (PASSING | CORRUPT)[name]
    script = Script(reply, reply, data({"n": 1}))
    (page,) = script.client(tmp_path).pages(BARS, DAY)
    assert orjson.loads(page.body)["data"] == [{"n": 1}]
    assert len(script.waits) == 2
    assert all(reason.startswith(f"{BARS}?date=2024-01-04: ") for reason, _ in script.waits)


@pytest.mark.parametrize("name", [*PASSING, *CORRUPT])
def test_after_six_attempts_with_growing_waits_it_is_an_error(tmp_path: Path, name: str) -> None:
    script = Script((PASSING | CORRUPT)[name])
    with pytest.raises(ServerError if name in PASSING else WireError):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert len(script.requests) == 6
    seconds = [seconds for _, seconds in script.waits]
    assert [0.5 * 4 * 2**n <= wait <= 1.5 * 4 * 2**n for n, wait in enumerate(seconds)] == [True] * 5
    assert seconds != [4.0, 8.0, 16.0, 32.0, 64.0]
    assert [later - earlier for earlier, later in pairwise(script.times)] == pytest.approx(seconds, abs=0.2)


def test_each_kind_of_trouble_has_its_own_patience(tmp_path: Path) -> None:
    limited, failed = refused(429, "Too Many Requests"), refused(503, "Oops")
    script = Script(failed, limited, failed, limited, failed, limited, failed, failed, data())
    assert len(list(script.client(tmp_path).pages(BARS, DAY))) == 1
    assert [round(seconds) for _, seconds in script.waits if seconds >= 65.0 and seconds == round(seconds)] == [
        65,
        130,
        310,
    ]


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


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= time <= start + 60.0 for time in times) for start in times)


@pytest.mark.parametrize(("plan", "path", "limit"), [("light", BARS, 60), ("premium", "/fins/summary", 60)])
def test_the_pace_of_the_plan_and_of_fins(tmp_path: Path, plan: PlanName, path: str, limit: int) -> None:
    script = Script(data())
    client = script.client(tmp_path, plan)
    for _ in range(200):
        list(client.pages(path, DAY))
    assert 0.9 * limit <= most_in_a_minute(script.times) <= limit
    assert script.waits == [], "the usual pace is not worth a word"


def test_fins_counts_for_the_plan_too(tmp_path: Path) -> None:
    script = Script(data())
    client = script.client(tmp_path, "free")
    for n in range(20):
        list(client.pages("/fins/summary" if n % 2 else BARS, DAY))
    assert most_in_a_minute(script.times) <= 5


def test_accounts_and_hosts_do_not_share_a_bucket(tmp_path: Path) -> None:
    for key, base in ((SECRET, BASE), ("another-key", BASE), (SECRET, "http://127.0.0.1:8765/v2")):
        script = Script(data())
        transport = httpx.MockTransport(script)
        clock = script.clock
        with JQuantsClient(base, ApiKey(key), "free", tmp_path, clock=clock, transport=transport) as client:
            list(client.pages(BARS, DAY))
        assert script.times == [0.0]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(
        [
            f"{ApiKey(SECRET).fingerprint}-127.0.0.1-8765-plan.slots",
            f"{ApiKey(SECRET).fingerprint}-api.jquants.com-plan.slots",
            f"{ApiKey('another-key').fingerprint}-api.jquants.com-plan.slots",
        ]
    )


@pytest.mark.parametrize("base", ["http://api.jquants.com/v2", "ftp://api.jquants.com", "api.jquants.com/v2", ""])
def test_the_key_is_not_sent_in_clear_text(tmp_path: Path, base: str) -> None:
    with pytest.raises(SettingsError, match="clear text"):
        JQuantsClient(base, ApiKey(SECRET), "free", tmp_path, clock=VirtualClock())


class Refuses(BaseHTTPRequestHandler):
    """Says in its refusal what it was asked."""

    def do_GET(self) -> None:
        body = f"asked for {self.path}".encode()
        self.send_response(404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_plain_http_to_this_machine_does_not_go_through_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.handle_request).start()
        base = f"http://127.0.0.1:{server.server_port}/v2"
        client = JQuantsClient(base, ApiKey(SECRET), "free", tmp_path, clock=VirtualClock(), timeout_seconds=5.0)
        with client, pytest.raises(EndpointError, match=r"asked for /v2/equities/bars/daily\?date=2024-01-04"):
            list(client.pages(BARS, DAY))


def echo(request: httpx.Request) -> httpx.Response:
    return refused(400, f"headers were {request.headers['x-api-key']}")


def drop(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"refused with {request.headers['x-api-key']}", request=request)


@pytest.mark.parametrize(
    "reply",
    [
        *PASSING.values(),
        *CORRUPT.values(),
        echo,
        drop,
        *(refused(status, f"no: {SECRET}") for status in (400, 401, 403, 404, 429, 500)),
    ],
)
def test_no_error_shows_the_key(tmp_path: Path, reply: Reply) -> None:
    with pytest.raises(AtftError) as caught:
        list(Script(reply).client(tmp_path).pages(BARS, DAY))
    shown = everything_shown(caught.value)
    assert SECRET not in shown
    assert "session.py" in shown, "the frames are those of the client"


def test_no_log_line_shows_the_key_or_more_of_an_address_than_its_host(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    list(Script(data()).client(tmp_path).pages(BARS, {"date": "2024-01-04"}))
    assert "https://api.jquants.com/..." in caplog.text
    assert SECRET not in caplog.text
    assert "2024-01-04" not in caplog.text


def test_10_000_requests_with_troubles_keep_the_limit_and_lose_nothing(tmp_path: Path) -> None:
    served = 0

    def sometimes(request: httpx.Request) -> httpx.Response:
        nonlocal served
        served += 1
        if served % 2500 == 0:
            return refused(429, "Too Many Requests")
        if served % 500 == 0:
            return refused(503, "Oops")
        return data({"asked": request.url.params["date"]})

    script = Script(sometimes)
    client = script.client(tmp_path, "premium")
    answered = [
        orjson.loads(page.body)["data"][0]["asked"]
        for n in range(10_000)
        for page in client.pages(BARS, {"date": str(n)})
    ]
    assert answered == [str(n) for n in range(10_000)]
    assert all(script.times[n + 500] - script.times[n] > 60.0 for n in range(len(script.times) - 500))
