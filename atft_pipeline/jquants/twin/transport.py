"""The twin without a socket: an httpx transport that runs the application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from threading import Lock

import httpx
from starlette.applications import Starlette
from starlette.types import Message, Scope

from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.twin.parcel import PAUSE


class TwinTransport(httpx.BaseTransport):
    """Each request runs the application to its end; waiting is done on the twin's clock.

    An answer that is held back longer than the request's read timeout is `httpx.ReadTimeout`, a connection that closes
    early `httpx.RemoteProtocolError`, as over a socket. Not for use inside a running event loop.

    Args:
        app: what `build_app` made.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._clock: Clock = app.state.twin.clock
        self._loop = asyncio.new_event_loop()
        self._lock = Lock()  # threads may share a client; the loop runs one request at a time

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            ReadTimeout: the answer is held back for longer than the request waits.
            RemoteProtocolError: the body ends before its end.
        """
        exchange = _Exchange(request, self._clock)
        with self._lock:
            self._loop.run_until_complete(self._app(exchange.scope, exchange.receive, exchange.send))
        return exchange.response()

    def close(self) -> None:
        """End the loop."""
        self._loop.close()


class _Exchange:
    """One request and what is sent back."""

    def __init__(self, request: httpx.Request, clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._complete = False

    @property
    def scope(self) -> Scope:
        """The request as ASGI has it."""
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._request.method,
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "server": (url.host, url.port),
            "client": ("127.0.0.1", 0),
            "extensions": {PAUSE: self.pause},
        }

    async def receive(self) -> Message:
        """The body; requests of this API have none."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Keep what is sent."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._body += message["body"]
            self._complete = not message.get("more_body", False)

    async def pause(self, seconds: float) -> None:
        """Let the clock go on, as far as the request waits.

        Raises:
            ReadTimeout: it does not wait so long.
        """
        timeouts: Mapping[str, float | None] = self._request.extensions.get("timeout", {})
        patience = timeouts.get("read")
        if patience is not None and seconds > patience:
            self._clock.sleep(patience)
            raise httpx.ReadTimeout(f"No answer within {patience:g} s.", request=self._request)
        self._clock.sleep(seconds)

    def response(self) -> httpx.Response:
        """What was sent.

        Raises:
            RemoteProtocolError: the body ends before its end.
        """
        if not self._complete:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body", request=self._request
            )
        stream = httpx.ByteStream(self._body)  # as a stream, so that it is unpacked like one from a socket
        return httpx.Response(self._status, headers=self._headers, stream=stream, request=self._request)
