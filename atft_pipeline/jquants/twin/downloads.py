"""Downloading files: the list, an address for one file, and what comes from that address."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request

from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.twin.bulk import ShelfFile
from atft_pipeline.jquants.twin.parcel import Parcel

VALID = timedelta(minutes=5)
"""A file's address can be used for so long, and once."""

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class SignedFiles:
    """Addresses that stand for a file, valid for five minutes and one use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[bytes, datetime]] = {}

    def sign(self, file: ShelfFile) -> str:
        """The last part of an address for this file."""
        now = self._clock.now()
        self._kept = {token: kept for token, kept in self._kept.items() if kept[1] > now}
        token = secrets.token_urlsafe(16)
        self._kept[token] = (file.content, now + VALID)
        return token

    def take(self, token: str) -> bytes:
        """The bytes of the file.

        Raises:
            HTTPException: 403 if the address was used, is too old or never was.
        """
        now = self._clock.now()
        content, until = self._kept.pop(token, (b"", now))
        if now >= until:
            raise HTTPException(403, "Request has expired.")
        return content


def file_parcel(content: bytes, request: Request) -> Parcel:
    """A file, or the part that the request's Range names.

    Raises:
        HTTPException: 416 for a part that begins behind the end.
    """
    headers = {"content-type": "application/gzip", "accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return Parcel(content, headers)
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        raise HTTPException(416, f"The file has {len(content)} bytes.", {"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Parcel(content[first : last + 1], headers, status=206)
