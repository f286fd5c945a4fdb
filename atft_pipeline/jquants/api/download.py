"""One bulk file onto the disk: resumed where it broke off, and taken for whole only after it was read through."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx

from atft_pipeline.errors import LakeError, ServerError, SourceError, WireError
from atft_pipeline.jquants.api.bulk import BulkFile, SignedUrl
from atft_pipeline.jquants.api.retries import Trouble

_PIECE = 1 << 20


def fetch(http: httpx.Client, sign: Callable[[], SignedUrl], file: BulkFile, partial: Path) -> Trouble | None:
    """One attempt to make `partial` the whole file; None if it is whole and on the disk for good.

    What an interrupted attempt left is kept and continued; what turns out to be damaged is deleted.

    Args:
        http: sends no key of its own accord.
        sign: gives a fresh address; not called where nothing is missing.
        file: what is fetched.
        partial: where it grows.

    Raises:
        LakeError: the disk does not take it.
        SourceError: what `sign` raises.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if have > file.size:
        partial.unlink()
        have = 0
    if have < file.size:
        trouble = _stream(http, sign(), file, partial, have)
        if trouble:
            return trouble
    return _check(file, partial)


def _stream(http: httpx.Client, url: SignedUrl, file: BulkFile, partial: Path, have: int) -> Trouble | None:
    """Append what is missing; the storage may answer with everything, and then it is written anew."""
    # Stored bytes are wanted: neither they nor a range of them may be encoded on the way.
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={have}-"} if have else {})
    broken = full = ""
    try:
        with http.stream("GET", url.text, headers=headers) as response:
            resumed = response.status_code == 206 and response.headers.get("content-range", "").startswith(
                f"bytes {have}-"
            )
            if response.status_code == 200 or resumed:
                _write(response, partial, have if resumed else 0, file.size)
                return None
            status = response.status_code
    except httpx.RequestError as error:
        broken = type(error).__name__  # its text may hold the address
    except OSError as error:
        full = error.strerror or type(error).__name__
    if full:
        raise LakeError(f"{partial} cannot be written: {full}.", remedy="Free some space, or make its folder writable.")
    if broken:
        return _trouble(file, f"the download broke off ({broken})", ServerError)
    if status in (206, 416):
        partial.unlink(missing_ok=True)
    return _trouble(file, f"the storage answered with status {status}", ServerError)


def _write(response: httpx.Response, partial: Path, have: int, size: int) -> None:
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("ab" if have else "wb") as target:
        for piece in response.iter_raw():
            have += len(piece)
            target.write(piece)
            if have > size:  # not the file that the list promised; the disk need not hold all of it
                return


def _check(file: BulkFile, partial: Path) -> Trouble | None:
    have = partial.stat().st_size if partial.exists() else 0
    if have < file.size:
        return _trouble(file, f"{have} of {file.size} bytes arrived", ServerError)
    if have > file.size or not (have and _is_whole_gzip(partial)):
        partial.unlink(missing_ok=True)
        return _trouble(file, f"{have} bytes arrived, {file.size} were promised, not a whole gzip file", WireError)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    return None


def _is_whole_gzip(path: Path) -> bool:
    """Whether every byte can be unpacked and the checksum at the end agrees; needs a piece at a time in memory."""
    try:
        with gzip.open(path) as content:
            while content.read(_PIECE):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    return True


def _trouble(file: BulkFile, what: str, kind: type[SourceError]) -> Trouble:
    error = kind(f"bulk file {file.key}: {what}.", remedy="Run again later; what was received before stays.")
    return Trouble(f"bulk file {file.key}: {what}", error)
