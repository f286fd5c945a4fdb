"""The J-Quants API V2 over HTTP: pages as received, at the account's pace, patient where patience helps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import httpx
import orjson

from atft_pipeline.calendar import TOKYO
from atft_pipeline.errors import EndpointError, OutsideWindow, WireError
from atft_pipeline.jquants.api.bulk import BulkFile, bulk_files
from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.api.session import Session, describe
from atft_pipeline.jquants.plan_names import PlanName


@dataclass(frozen=True)
class Page:
    """One page as received.

    Attributes:
        path: the V2 path, such as /equities/bars/daily.
        params: the query, without the key that leads from page to page.
        number: 1 for the first page of the query.
        fetched_at: when it had arrived; aware, UTC.
        plan: the plan it was asked under; it decides which columns there are.
        body: the JSON, unpacked.
    """

    path: str
    params: Mapping[str, str]
    number: int
    fetched_at: datetime
    plan: PlanName
    body: bytes = field(repr=False)


class JQuantsClient:
    """Asks the API, one request at a time; several processes may do so with one key and stay within its limit.

    The key goes to `base_url` only, in one header; redirects are not followed; certificates are always verified. A
    proxy that the environment names is used for https (through a tunnel), never for this machine.

    Args:
        base_url: such as https://api.jquants.com/v2.
        key: the account's key.
        plan: decides how often may be asked.
        throttle_folder: holds the files through which processes share the limit.
        clock: the time, and how to wait.
        transport: in place of the network, for tests.
        timeout_seconds: longest silence of the server.
        on_wait: told the reason and the seconds before each wait but the usual pace.
        random: varies the waits after failures.

    Raises:
        SettingsError: `base_url` would send the key in clear text.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        plan: PlanName,
        throttle_folder: Path,
        *,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        timeout_seconds: float = 30.0,
        on_wait: Callable[[str, float], None] | None = None,
        random: Random | None = None,
    ) -> None:
        self._plan, self._clock = plan, clock
        self._session = Session(
            base_url,
            key,
            PLANS[plan],
            throttle_folder,
            clock,
            transport,
            timeout_seconds,
            on_wait or (lambda reason, seconds: None),
            random or Random(),
        )

    def pages(self, path: str, params: Mapping[str, str]) -> Iterator[Page]:
        """The pages of one query, each asked for when the one before it has been used; no rows are one empty page.

        Args:
            path: the V2 path, such as /equities/bars/daily.
            params: the query.

        Raises:
            ApiError: the API refused, or could not be reached.
            WireError: what arrives is no page, again and again, or the pages go round in a circle.
        """
        seen: set[str] = set()
        query = dict(params)
        for number in itertools.count(1):
            answer = self._session.get(path, query, _next_page)
            yield Page(path, dict(params), number, answer.fetched_at, self._plan, answer.body)
            if not answer.value:
                return
            if answer.value in seen:
                raise WireError(
                    f"{describe(path, params)}: page {number} leads back to a page that was read before.",
                    remedy="Ask again later; if it stays so, report the query to J-Quants.",
                )
            seen.add(answer.value)
            query = {**params, "pagination_key": answer.value}

    def whole(self, path: str, params: Mapping[str, str]) -> list[Page]:
        """Every page of one query; begun anew, once, where the way from page to page breaks off.

        A key that leads to the next page may be refused or lead back when rows came while the pages were read, or when
        a block was waited for in between.

        Raises:
            ApiError: the API refused, or could not be reached.
            WireError: what arrives is no page, or the pages go round in a circle, again.
        """
        pages: list[Page] = []
        try:
            for page in self.pages(path, params):
                pages.append(page)
        except (EndpointError, WireError):
            if not pages:
                raise
            return list(self.pages(path, params))
        return pages

    def window(self) -> tuple[date, date] | None:
        """First and last day that the account's plan covers, as the API says; None if it does not say.

        It says so when it is asked for a date outside. A plan without delay has no last day: that is today, in Tokyo.

        Raises:
            ApiError: the key is refused, or the API could not be reached.
        """
        try:
            self._session.get("/equities/bars/daily", {"date": "1900-01-01"}, _next_page)
        except OutsideWindow as refusal:
            last = refusal.last or self._clock.now().astimezone(TOKYO).date()
            return (refusal.first, last) if refusal.first else None
        except EndpointError:
            return None
        return None

    def bulk_files(self, endpoint_path: str) -> tuple[BulkFile, ...]:
        """The files of an endpoint, ascending by key.

        Raises:
            ApiError: the API refused, or could not be reached.
            WireError: the list does not have its form.
        """
        return bulk_files([page.body for page in self.whole("/bulk/list", {"endpoint": endpoint_path})])

    def download(self, file: BulkFile, to: Path) -> None:
        """Bring the file to `to`, which exists only when it is whole; what arrived so far waits in `to`.part.

        One process at a time may download to the same place.

        Raises:
            ApiError: the API refused, or the download broke off again and again.
            WireError: the file arrives damaged again and again.
            LakeError: the disk does not take it.
        """
        partial = to.with_name(f"{to.name}.part")
        self._session.fetch(file, partial)
        partial.replace(to)

    @property
    def skew(self) -> timedelta | None:
        """How far the server's clock was ahead of this one's at the last answer; None if it has not said."""
        return self._session.skew

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _next_page(body: bytes) -> str | None:
    """The key of the page that follows, empty after the last one; None if the body is no page."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return None
    key = answer.get("pagination_key") or ""
    return key if isinstance(key, str) else None
