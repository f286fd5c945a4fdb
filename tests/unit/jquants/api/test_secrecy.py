"""The key goes to the API and nowhere else: not in clear text, not to a proxy, not into errors or logs."""

from __future__ import annotations

import logging
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from atft_pipeline.errors import AtftError, EndpointError, SettingsError
from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.credentials import ApiKey

from .clocks import VirtualClock
from .servers import BARS, CORRUPT, DAY, PASSING, SECRET, Reply, Script, data, everything_shown, refused


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
        server.timeout = 10.0
        Thread(target=server.handle_request, daemon=True).start()
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
