"""The account's pace: evenly spaced slots, shared by all processes of the machine through one small file."""

from __future__ import annotations

import fcntl
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from atft_pipeline.errors import SourceError
from atft_pipeline.jquants.api.clock import Clock

SHARE = 0.95
"""Part of the plan's number that is used: the network delivers requests closer together than they were sent."""

LOST_SECONDS = 60
"""After this long without a request nothing that was sent before counts any more."""

LONGEST_SECONDS = 3600
"""No queue and no block reaches further ahead; a file that says so is damaged."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(rb"(\d{20}) (\d{20}) (\d{20})\n")
_LENGTH = 63


@dataclass(frozen=True)
class _Bucket:
    """Microseconds since 1970: when the next slot is free, and until when nobody may ask."""

    free: int
    blocked: int


class Throttle:
    """A limit of requests a minute that no number of processes exceeds together.

    Slots stand 60 / (0.95 * per_minute) seconds apart, so that any 60 seconds, both ends included, hold at most
    `per_minute`. The file holds three numbers, rewritten by one write under a lock: when it was written, the next free
    slot, the end of the block. A clock that was set back shows as a file written in the future; its times are then
    moved back as far, so that nobody waits longer than was meant when it was written. An empty file is a new one; one
    that cannot be read starts a minute later.

    Args:
        folder: where the file is; made when it is missing.
        name: the bucket, and the file's name.
        per_minute: the limit.
        clock: the time, and how to wait.
    """

    def __init__(self, folder: Path, name: str, per_minute: int, clock: Clock) -> None:
        self._path = folder / f"{name}.slots"
        self._clock = clock
        self._interval = math.ceil(60e6 / (per_minute * SHARE))

    def wait(self, on_delay: Callable[[float], None] | None = None) -> None:
        """Take the next slot and return when it has come; a block that is declared meanwhile is waited for too.

        Args:
            on_delay: told the seconds, beforehand, of a wait of more than two intervals: the account is blocked,
                or many processes queue.

        Raises:
            SourceError: the file cannot be written.
        """
        while True:
            now, bucket = self._change(self._with_slot_taken)
            microseconds = bucket.free - self._interval - now
            if on_delay is not None and microseconds > 2 * self._interval:
                on_delay(microseconds / 1e6)
            self._clock.sleep(microseconds / 1e6)
            if microseconds <= 0 or not self._is_blocked_since(bucket):
                return

    def block(self, seconds: float) -> None:
        """Put everybody off for that long, also those who wait for a slot that they have taken.

        Raises:
            SourceError: the file cannot be written.
        """
        self._change(lambda now, bucket: _Bucket(bucket.free, max(bucket.blocked, now + math.ceil(seconds * 1e6))))

    def _with_slot_taken(self, now: int, bucket: _Bucket) -> _Bucket:
        return _Bucket(max(now, bucket.free, bucket.blocked) + self._interval, bucket.blocked)

    def _is_blocked_since(self, before: _Bucket) -> bool:
        # A block that was known before has been waited for, also where the clock, set back meanwhile, denies it.
        now, bucket = self._change(lambda _, bucket: bucket)
        return bucket.blocked > max(now, before.blocked)

    def _change(self, change: Callable[[int, _Bucket], _Bucket]) -> tuple[int, _Bucket]:
        """Read, change and write the file under its lock; the present moment and what was written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                content = os.pread(file, _LENGTH + 1, 0)
                now = (self._clock.now() - _EPOCH) // timedelta(microseconds=1)
                bucket = change(now, _bucket(content, now))
                os.ftruncate(file, min(len(content), _LENGTH))
                # One short write: a process that is killed has written all of it or nothing.
                os.pwrite(file, b"%020d %020d %020d\n" % (now, bucket.free, bucket.blocked), 0)
            finally:
                os.close(file)
        except OSError as error:
            raise SourceError(
                f"{self._path}, which keeps the pace of requests to the API, cannot be written: {error.strerror}.",
                remedy="Free some space, or make its folder writable.",
            ) from None
        return now, bucket


def _bucket(content: bytes, now: int) -> _Bucket:
    """What the file says, as of now."""
    if not content:
        return _Bucket(now, now)
    form = _FORM.fullmatch(content)
    written, free, blocked = map(int, form.groups()) if form else (0, 0, 0)
    if not form or max(free, blocked) - written > LONGEST_SECONDS * 1_000_000:
        return _Bucket(now + LOST_SECONDS * 1_000_000, now)
    set_back = max(0, written - now)
    return _Bucket(free - set_back, blocked - set_back)
