"""Which faults strike which requests: read from text, counted, and so the same on every run.

A fault is `kind`, or `kind=value`, then any of `path=`, `after=`, `count=`: `status=503,count=3,path=/fins/summary`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from atft_pipeline.errors import SettingsError
from atft_pipeline.jquants.twin.effects import (
    Block,
    CorruptGzip,
    Cut,
    Drip,
    Effect,
    ExpiredKey,
    InvalidKey,
    LateFins,
    MissingColumn,
    NewColumn,
    RateLimit,
    RepeatedKey,
    Status,
    Timeout,
    TruncatedGzip,
    UnreadableColumn,
    WrongJson,
)

DOWNLOADS = "/signed"
"""Path of the files' own addresses; faults strike there only where they name it."""

WITHOUT_VALUE: Mapping[str, Callable[[], Effect]] = {
    "rate_limit": RateLimit,
    "block": Block,
    "expired_key": ExpiredKey,
    "repeated_key": RepeatedKey,
    "invalid_key": InvalidKey,
    "wrong_json": WrongJson,
    "cut": Cut,
    "truncated_gzip": TruncatedGzip,
    "corrupt_gzip": CorruptGzip,
}
WITH_NUMBER: Mapping[str, Callable[[float], Effect]] = {
    "timeout": Timeout,
    "drip": Drip,
    "late_fins": LateFins,
}
WITH_COLUMN: Mapping[str, Callable[[str], Effect]] = {
    "new_column": NewColumn,
    "missing_column": MissingColumn,
    "unreadable_column": UnreadableColumn,
}
KINDS = (
    *WITHOUT_VALUE,
    "status=CODE",
    *(f"{kind}=SECONDS" for kind in ("timeout", "drip")),
    "late_fins=HOURS",
    *(f"{kind}=NAME" for kind in WITH_COLUMN),
)
"""Every kind as it is written."""


@dataclass(frozen=True)
class Fault:
    """An effect, and the requests that it strikes.

    Attributes:
        effect: what goes wrong.
        path: requests to this path and below it; empty for every request but downloads of files.
        after: so many of them pass unharmed first.
        count: so many are struck; None for all that follow.
    """

    effect: Effect
    path: str = ""
    after: int = 0
    count: int | None = None

    def concerns(self, path: str) -> bool:
        """Whether a request to this path is one to count."""
        if not self.path:
            return not path.startswith(f"{DOWNLOADS}/")
        return path == self.path or path.startswith(f"{self.path}/")

    def strikes(self, number: int) -> bool:
        """Whether the request of this number, from 0, among those that it concerns is struck."""
        return number >= self.after and (self.count is None or number < self.after + self.count)


@dataclass(frozen=True)
class FaultPlan:
    """Every fault of a twin."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """From the texts of `--fault`.

        Raises:
            SettingsError: a kind, a key or a value is not known.
        """
        return cls(tuple(_fault(text) for text in texts))

    @property
    def late_statements(self) -> timedelta:
        """By how much statements come late."""
        hours = [fault.effect.hours for fault in self.faults if isinstance(fault.effect, LateFins)]
        return timedelta(hours=sum(hours))


class FaultRun:
    """A plan at work: counts the requests that each fault concerns."""

    def __init__(self, plan: FaultPlan) -> None:
        self._faults = plan.faults
        self._seen = [0] * len(plan.faults)

    def effects(self, path: str) -> tuple[Effect, ...]:
        """Effects that strike the next request to this path."""
        struck = []
        for i, fault in enumerate(self._faults):
            if fault.concerns(path):
                if fault.strikes(self._seen[i]):
                    struck.append(fault.effect)
                self._seen[i] += 1
        return tuple(struck)


def _fault(text: str) -> Fault:
    first, *rest = (part.strip() for part in text.split(","))
    conditions = dict(_pair(part, text) for part in rest)
    effect = _effect(first, text)
    if isinstance(effect, LateFins) and conditions:
        raise _refusal(text, f"late_fins takes no {', '.join(conditions)}")
    path = conditions.get("path", "")
    if path and not path.startswith("/"):
        raise _refusal(text, f"path {path} does not begin with /")
    count = _whole(conditions["count"], text) if "count" in conditions else None
    return Fault(effect, path.rstrip("/"), _whole(conditions.get("after", "0"), text), count)


def _effect(first: str, text: str) -> Effect:
    kind, _, value = first.partition("=")
    if kind in WITHOUT_VALUE and not value:
        return WITHOUT_VALUE[kind]()
    if kind == "status" and value:
        return Status(_status(value, text))
    if kind in WITH_NUMBER and value:
        return WITH_NUMBER[kind](_number(value, text))
    if kind in WITH_COLUMN and value:
        return WITH_COLUMN[kind](value)
    raise _refusal(text, f"{first!r} is not a kind of fault")


def _pair(part: str, text: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    if key not in ("path", "after", "count") or not value:
        raise _refusal(text, f"{part!r} is not path=, after= or count=")
    return key, value


def _status(value: str, text: str) -> int:
    if not 400 <= (code := _whole(value, text)) < 600:
        raise _refusal(text, f"{code} is not a status from 400 to 599")
    return code


def _whole(value: str, text: str) -> int:
    if not value.isdecimal():
        raise _refusal(text, f"{value!r} is not a whole number of 0 or more")
    return int(value)


def _number(value: str, text: str) -> float:
    if not value.replace(".", "", 1).isdecimal():
        raise _refusal(text, f"{value!r} is not a number of 0 or more")
    return float(value)


def _refusal(text: str, problem: str) -> SettingsError:
    return SettingsError(
        f"--fault {text}: {problem}.",
        remedy=f"Write KIND[,path=PATH][,after=N][,count=N] with one of {', '.join(KINDS)}.",
    )
