"""An answer as bytes on their way: what is sent, how slowly, and whether all of it arrives."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PAUSE = "atft.pause"
"""Name of the ASGI extension by which a server without sockets replaces waiting: a coroutine function of seconds."""

PIECES = 8
"""A dripping body comes in this many pieces."""

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Parcel:
    """One answer.

    Attributes:
        content: the bytes of the body, compressed if they are to be.
        headers: besides Content-Length, which is that of `content`.
        status: HTTP status.
        hold: seconds before anything is sent.
        drip: seconds over which the body is spread.
        cut: whether the connection closes after half of the body.
    """

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    hold: float = 0.0
    drip: float = 0.0
    cut: bool = False


def json_parcel(body: bytes, request: Request) -> Parcel:
    """JSON, gzipped where the request accepts it."""
    parcel = Parcel(body, {"content-type": "application/json"})
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return parcel
    headers = {**parcel.headers, "content-encoding": "gzip", "vary": "Accept-Encoding"}
    return replace(parcel, content=gzip.compress(body, 1, mtime=0), headers=headers)


class ParcelResponse(Response):
    """Sends a parcel as it says."""

    def __init__(self, parcel: Parcel) -> None:
        super().__init__(parcel.content, parcel.status, dict(parcel.headers))
        self._parcel = parcel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body, with pauses and up to where the parcel says."""
        pause: Pause = scope.get("extensions", {}).get(PAUSE, asyncio.sleep)
        parcel = self._parcel
        if parcel.hold:
            await pause(parcel.hold)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        size = -(-len(parcel.content) // PIECES) or 1
        content = parcel.content[: len(parcel.content) // 2] if parcel.cut else parcel.content
        for start in range(0, len(content), size):
            await send({"type": "http.response.body", "body": content[start : start + size], "more_body": True})
            if parcel.drip:
                await pause(parcel.drip / PIECES)
        if not parcel.cut:  # a server closes the connection of an answer that never ends
            await send({"type": "http.response.body", "body": b"", "more_body": False})
