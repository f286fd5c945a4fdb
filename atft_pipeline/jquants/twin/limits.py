"""Requests per minute, refusals, and the block that follows when they are not heeded."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException

from atft_pipeline.jquants.api.clock import Clock
from atft_pipeline.jquants.api.plans import FINS_PER_MINUTE, Plan

MINUTE = timedelta(minutes=1)
BLOCK = timedelta(minutes=5)
PATIENCE = 10
"""Refusals within a minute that are borne; with the next one everything is blocked."""

FINS_PATHS = ("/fins/summary", "/fins/details")


class Limits:
    """Counts requests of the one account in the clock's time, over any 60 seconds.

    Where the real limit's minute begins is not documented; a client that keeps to this one keeps to any.

    Args:
        plan: its number of requests a minute; statements have one of their own inside it.
        clock: what time it is.
    """

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._clock = clock
        self._account = _Bucket(plan.per_minute)
        self._fins = _Bucket(FINS_PER_MINUTE)
        self._blocked_until = datetime.min.replace(tzinfo=UTC)

    def count(self, path: str) -> None:
        """Let a request pass, or refuse it.

        Raises:
            HTTPException: 429, without Retry-After, over a limit or while blocked.
        """
        now = self._clock.now()
        if now < self._blocked_until:
            raise HTTPException(429, "Too many requests: all requests of this account are blocked for a while.")
        buckets = [self._account, self._fins] if path in FINS_PATHS else [self._account]
        full = [bucket for bucket in buckets if bucket.is_full(now)]
        for bucket in full:
            bucket.refused.append(now)
        if any(bucket.is_overrun for bucket in full):
            self.block()
        if full:
            raise HTTPException(429, "Rate limit exceeded. Please try again later.")
        for bucket in buckets:
            bucket.passed.append(now)

    def block(self) -> None:
        """Refuse everything for five minutes, then begin anew."""
        self._blocked_until = self._clock.now() + BLOCK
        for bucket in (self._account, self._fins):
            bucket.passed.clear()
            bucket.refused.clear()


class _Bucket:
    """The requests of the last 60 seconds."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.passed: deque[datetime] = deque()
        self.refused: deque[datetime] = deque()

    def is_full(self, now: datetime) -> bool:
        for moments in (self.passed, self.refused):
            while moments and moments[0] <= now - MINUTE:
                moments.popleft()
        return len(self.passed) >= self.per_minute

    @property
    def is_overrun(self) -> bool:
        """Whether more than twice as much was asked as is allowed, or refusals were not heeded."""
        return len(self.refused) > min(PATIENCE, self.per_minute)
