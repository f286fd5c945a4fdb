"""How often, and after which waits, something that failed is tried again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result

from atft_pipeline.errors import SourceError
from atft_pipeline.jquants.api.clock import Clock

T = TypeVar("T")

LIMITED_WAITS = (65.0, 130.0, 310.0)
"""Seconds after the first, second and third 429: past the minute that is counted, at last past the long block."""

FAILED_WAITS = (4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds after each failed attempt but the sixth, which is the last; each is varied by up to a half."""


@dataclass(frozen=True)
class Trouble:
    """Why an attempt gave nothing, where another one may.

    Attributes:
        reason: what happened, in a few words.
        error: what is raised when there is no further attempt.
        limited: whether there were too many requests, which takes the longer waits.
    """

    reason: str
    error: SourceError
    limited: bool = False


def persist(
    attempt: Callable[[], T | Trouble], clock: Clock, random: Random, before_wait: Callable[[Trouble, float], None]
) -> T:
    """The result of the first attempt without trouble.

    Troubles are values, not exceptions: what is raised in the end has no chain of causes, which could hold secrets.

    Args:
        attempt: gives the result, or says why there is none; what it raises is final.
        clock: waits between attempts.
        random: varies the waits, so that processes that failed together do not come back together.
        before_wait: told the trouble and the seconds before each wait.

    Raises:
        SourceError: the last trouble's error.
    """
    limited, failed = iter(LIMITED_WAITS), _varied(random)
    retrying = Retrying(
        retry=retry_if_result(lambda outcome: isinstance(outcome, Trouble)),
        wait=lambda state: next(limited if _trouble(state).limited else failed, math.inf),
        stop=lambda state: state.upcoming_sleep == math.inf,
        before_sleep=lambda state: before_wait(_trouble(state), state.upcoming_sleep),
        sleep=clock.sleep,
        retry_error_callback=_trouble,
    )
    outcome: T | Trouble = retrying(attempt)
    if isinstance(outcome, Trouble):
        raise outcome.error
    return outcome


def _varied(random: Random) -> Iterator[float]:
    """The waits after failures, each varied as it is taken."""
    return (seconds * random.uniform(0.5, 1.5) for seconds in FAILED_WAITS)


def _trouble(state: RetryCallState) -> Trouble:
    """What the last attempt met; asked only where it met one."""
    assert state.outcome is not None
    trouble = state.outcome.result()
    assert isinstance(trouble, Trouble)
    return trouble
