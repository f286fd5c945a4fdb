"""Files of whole months and days: the list of them, and the signed address of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import orjson

from atft_pipeline.errors import WireError
from atft_pipeline.sections import LOOPBACK


@dataclass(frozen=True)
class BulkFile:
    """One gzipped CSV that can be downloaded.

    Attributes:
        key: its name in the API, such as equities/bars/daily/historical/2025/equities_bars_daily_202501.csv.gz.
        size: bytes, compressed.
        last_modified: aware, UTC; None if the list does not say.
    """

    key: str
    size: int
    last_modified: datetime | None


@dataclass(frozen=True)
class SignedUrl:
    """An address that gives a file to whoever has it, once, for five minutes: as secret as a key.

    Attributes:
        text: the address; never printed.
    """

    text: str = field(repr=False)


def bulk_files(bodies: Sequence[bytes]) -> tuple[BulkFile, ...]:
    """The files that the pages of /bulk/list name, ascending by key.

    Raises:
        WireError: an entry lacks its Key or its Size.
    """
    rows = [row for body in bodies for row in orjson.loads(body)["data"]]
    return tuple(sorted((_bulk_file(row) for row in rows), key=lambda file: file.key))


def signed_url(body: bytes) -> SignedUrl | None:
    """The address in an answer of /bulk/get; None if it has none that may be used (https, or this machine).

    It stands at the top, as the official client reads it, or in `data`, as in every other answer.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    data = answer.get("data") if isinstance(answer, dict) else None
    for place in (answer, data, *(data[:1] if isinstance(data, list) else ())):
        if isinstance(place, dict) and isinstance(place.get("url"), str) and is_private(place["url"]):
            return SignedUrl(place["url"])
    return None


def is_private(address: str) -> bool:
    """Whether nobody on the way can read what is sent to the address: https, or http on this machine."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return bool(url.host) and (url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK))


def _bulk_file(row: object) -> BulkFile:
    known = row if isinstance(row, dict) else {}
    key, size = known.get("Key"), known.get("Size")
    if not isinstance(key, str) or not str(size).isdecimal():
        raise WireError(
            f"/bulk/list: an entry has Key = {key!r} and Size = {size!r}; a name and a number of bytes are expected.",
            remedy="Run again later; if it stays so, the API has changed: compare it with the documentation of V2.",
        )
    return BulkFile(key, int(str(size)), _moment(known.get("LastModified")))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
