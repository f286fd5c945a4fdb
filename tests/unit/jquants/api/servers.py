"""A client whose server is a list of answers, and what an error shows to somebody who looks at all of it."""

from __future__ import annotations

import gzip
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import httpx

from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.plan_names import PlanName

from .clocks import VirtualClock

BASE = "https://api.jquants.com/v2"
SECRET = "kE9-s3cr3t-0f-7he-4cc0unt"
BARS = "/equities/bars/daily"
DAY = {"date": "2024-01-04"}
WINDOW = "Your subscription covers the following dates: "

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Script:
    """Answers in their order; the last one is repeated. Keeps what was asked, and when."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = replies
        self.clock = VirtualClock()
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.waits: list[tuple[str, float]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
        self.requests.append(request)
        self.times.append(self.clock.elapsed)
        if isinstance(reply, Exception):
            raise reply
        # A response can be read once: a repeated one is made again.
        return reply(request) if not isinstance(reply, httpx.Response) else again(reply)

    def client(self, folder: Path, plan: PlanName = "premium") -> JQuantsClient:
        return JQuantsClient(
            BASE,
            ApiKey(SECRET),
            plan,
            folder,
            clock=self.clock,
            transport=httpx.MockTransport(self),
            on_wait=lambda reason, seconds: self.waits.append((reason, seconds)),
            random=Random(7),
        )

    @property
    def queries(self) -> list[dict[str, str]]:
        return [dict(request.url.params) for request in self.requests]


class Pieces(httpx.SyncByteStream):
    """A body in pieces; an exception among them breaks it off there."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def again(reply: httpx.Response) -> httpx.Response:
    if isinstance(reply.stream, Pieces):
        return httpx.Response(reply.status_code, headers=reply.headers, stream=reply.stream)
    return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


def data(*rows: dict[str, object], following: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"data": list(rows), "pagination_key": following})


def refused(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"message": message})


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


def everything_shown(error: BaseException) -> str:
    """Text, form and traceback with the locals of every frame: the error's, and those of what it came from."""
    return "\n".join(_shown(one) for one in _with_causes(error))


def _with_causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _shown(error: BaseException) -> str:
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format(chain=False)
    return "".join([str(error), repr(error), repr(vars(error)), *lines])
