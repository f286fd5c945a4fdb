"""An account at the twin: a source as a run uses it, without a socket, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import httpx

from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.api.received import Received
from atft_pipeline.jquants.api.source import ApiSource
from atft_pipeline.jquants.twin import SIMULATED_KEY
from atft_pipeline.jquants.twin.app import Twin, build_app
from atft_pipeline.jquants.twin.transport import TwinTransport
from atft_pipeline.sections import ApiSettings

BASE_URL = "http://127.0.0.1:1/v2"


class Counting(httpx.BaseTransport):
    """Passes requests on and keeps what was asked."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        query = "&".join(f"{name}={value}" for name, value in request.url.params.items() if name != "pagination_key")
        self.asked.append(f"{request.url.path.removeprefix('/v2')}?{query}")
        return self._inner.handle_request(request)

    def close(self) -> None:
        """End the inner one."""
        self._inner.close()


class Account:
    """The source of one account, what it asked, and the twin's clock."""

    def __init__(self, twin: Twin, folder: Path) -> None:
        self.clock = twin.clock
        self.transport = Counting(TwinTransport(build_app(twin)))
        self.waits: list[tuple[str, float]] = []
        self.client = JQuantsClient(
            BASE_URL,
            ApiKey(SIMULATED_KEY),
            twin.plan,
            folder / "throttle",
            clock=twin.clock,
            transport=self.transport,
            on_wait=lambda reason, seconds: self.waits.append((reason, seconds)),
            random=Random(1),
        )
        settings = ApiSettings(base_url=BASE_URL, plan=twin.plan)
        self.source = ApiSource(self.client, Received(folder / "received"), settings, twin.clock, workers=1)

    @property
    def asked(self) -> list[str]:
        """Requests so far, without those for the calendar and the window, and without the files themselves."""
        apart = ("/markets/calendar", "1900-01-01", "/signed")
        return [one for one in self.transport.asked if not any(text in one for text in apart)]


@contextmanager
def account(twin: Twin, folder: Path) -> Iterator[Account]:
    """An account whose connections are given back."""
    opened = Account(twin, folder)
    try:
        yield opened
    finally:
        opened.client.close()
