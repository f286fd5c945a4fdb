"""One question to the API: in its turn, with the key, and again where that may help."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

import httpx

from atft_pipeline.errors import ServerError, SettingsError, WireError
from atft_pipeline.jquants.api.answers import NO_DATA, server_message, trouble_of
from atft_pipeline.jquants.api.bulk import BulkFile, SignedUrl, is_private, signed_url
from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.api.download import fetch
from atft_pipeline.jquants.api.plans import FINS_PER_MINUTE, Plan
from atft_pipeline.jquants.api.quiet_log import hide_addresses
from atft_pipeline.jquants.api.retries import Trouble, persist
from atft_pipeline.jquants.api.throttle import Throttle

T = TypeVar("T")

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; the settings' `timeout_seconds` holds for each wait for bytes."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one question brought.

    Attributes:
        body: the JSON, unpacked.
        fetched_at: when it had arrived; aware, UTC.
        value: what was read from it.
    """

    body: bytes = field(repr=False)
    fetched_at: datetime
    value: T


class Session:
    """Connections, pace and patience of one account; for the arguments see `JQuantsClient`.

    Attributes:
        skew: how far the server's clock was ahead of this one's at the last answer; None if it has not said.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        plan: Plan,
        throttle_folder: Path,
        clock: Clock,
        transport: httpx.BaseTransport | None,
        timeout_seconds: float,
        on_wait: Callable[[str, float], None],
        random: Random,
    ) -> None:
        if not is_private(base_url):
            raise SettingsError(
                f"base_url = {base_url} would send the key in clear text; https is expected (http for this machine).",
                remedy="Set source.api.base_url to an address with https.",
            )
        url = httpx.URL(base_url)
        account = re.sub(r"[^A-Za-z0-9.]+", "-", f"{key.fingerprint}-{url.netloc.decode()}")
        self._base_url, self._key, self._clock = base_url.rstrip("/"), key, clock
        self._on_wait, self._random = on_wait, random
        self.skew: timedelta | None = None
        self._plan_slots = Throttle(throttle_folder, f"{account}-plan", plan.per_minute, clock)
        self._fins_slots = Throttle(throttle_folder, f"{account}-fins", FINS_PER_MINUTE, clock)
        hide_addresses()
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS)),
            headers={"accept-encoding": "gzip"},
            follow_redirects=False,
            # A proxy of the environment sees an encrypted tunnel; plain http, to this machine, must not go through it.
            trust_env=url.scheme == "https",
        )

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def get(self, path: str, params: Mapping[str, str], read: Callable[[bytes], T | None]) -> Answer[T]:
        """The first good answer.

        Args:
            path: under the base address.
            params: the query.
            read: takes from the body what is wanted; None if the body is not what the path promises.

        Raises:
            ApiError: the API refused, or could not be reached.
            WireError: the body was not what the path promises, again and again.
        """
        throttles = self._throttles(path)

        def before_wait(trouble: Trouble, seconds: float) -> None:
            if trouble.limited:
                for throttle in throttles:
                    throttle.block(seconds)
            self._on_wait(trouble.reason, seconds)

        return persist(lambda: self._attempt(path, params, read), self._clock, self._random, before_wait)

    def fetch(self, file: BulkFile, partial: Path) -> None:
        """Make `partial` the whole file.

        Raises:
            SourceError: as `download.fetch`, after the last attempt.
            LakeError: the disk does not take it.
        """

        def sign() -> SignedUrl:
            return self.get("/bulk/get", {"key": file.key}, signed_url).value

        def before_wait(trouble: Trouble, seconds: float) -> None:
            self._on_wait(trouble.reason, seconds)

        persist(lambda: fetch(self._http, sign, file, partial), self._clock, self._random, before_wait)

    def _throttles(self, path: str) -> tuple[Throttle, ...]:
        # The plan's comes last: its slot, the narrower one on most plans, is the moment of sending.
        return (self._fins_slots, self._plan_slots) if path.startswith("/fins/") else (self._plan_slots,)

    def _attempt(self, path: str, params: Mapping[str, str], read: Callable[[bytes], T | None]) -> Answer[T] | Trouble:
        asked = describe(path, params)
        for throttle in self._throttles(path):
            throttle.wait(lambda seconds: self._on_wait(f"{asked}: the account's limit, shared with others", seconds))
        response = self._send(path, params, asked)
        if isinstance(response, Trouble):
            return response
        self.skew = _skew(response.headers.get("date"), self._clock.now())
        if response.status_code != 200 and response.status_code not in NO_DATA:
            return trouble_of(response.status_code, server_message(response.content, self._key), asked)
        body = response.content if response.status_code == 200 else b'{"data": []}'
        value = read(body)
        if value is None:
            return _unreadable(asked, f"{len(body)} bytes that are cut short or not what the path promises")
        return Answer(body, self._clock.now(), value)

    def _send(self, path: str, params: Mapping[str, str], asked: str) -> httpx.Response | Trouble:
        try:
            return self._http.get(
                f"{self._base_url}/{path.lstrip('/')}", params=params, headers={"x-api-key": self._key.reveal()}
            )
        except httpx.DecodingError:
            return _unreadable(asked, "bytes that cannot be unpacked")
        except httpx.RequestError as error:
            # Its words only: the error holds the request, and that the key.
            what = self._key.removed_from(f"{type(error).__name__}: {error}")
        remedy = "Check the network and source.api.base_url; what was received before stays."
        return Trouble(f"{asked}: no answer ({what})", ServerError(f"{asked}: no answer ({what}).", remedy=remedy))


def _skew(said: str | None, now: datetime) -> timedelta | None:
    """The server's time of answering less ours; it says whole seconds."""
    try:
        return parsedate_to_datetime(said) - now if said else None
    except ValueError:  # a date that nobody can read tells nothing
        return None


def describe(path: str, params: Mapping[str, str]) -> str:
    """A query for messages: "/equities/bars/daily?date=2024-01-04"."""
    told = "&".join(f"{name}={value}" for name, value in params.items() if name != "pagination_key")
    return f"{path}?{told}" if told else path


def _unreadable(asked: str, what: str) -> Trouble:
    error = WireError(f"{asked}: answered with {what}.", remedy="Try again later; what was received before stays.")
    return Trouble(f"{asked}: {what}", error)
