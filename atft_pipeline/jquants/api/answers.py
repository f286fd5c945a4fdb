"""What an answer that brings no data means: nothing to be had, never to be had, or not to be had just now."""

from __future__ import annotations

import re
from datetime import date

import orjson

from atft_pipeline.errors import (
    ApiError,
    AuthError,
    EndpointError,
    OutsideWindow,
    PlanError,
    RateLimited,
    ServerError,
)
from atft_pipeline.jquants.api.credentials import ApiKey
from atft_pipeline.jquants.api.retries import LIMITED_WAITS, Trouble

NO_DATA = (204, 210)
"""Statuses that say: no rows, or an unknown code."""

LONGEST_MESSAGE = 300
"""Characters of the server's words that are passed on."""

_DAY = r"(\d{4}-?\d{2}-?\d{2})"
# Plans without delay name no last day: "2021-09-01 ~ ."
_WINDOW = re.compile(rf"covers the following dates:\s*{_DAY}?\s*~\s*{_DAY}?", re.IGNORECASE)
_NO_SUCH_PATH = re.compile(r"endpoint does not exist|resources may not be supported", re.IGNORECASE)
_KEY = re.compile(r"\bkey\b|expired|invalid", re.IGNORECASE)


def server_message(body: bytes, key: ApiKey) -> str:
    """The server's own words, in one line, cut to `LONGEST_MESSAGE`, without the key should they repeat it."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    said = answer.get("message") if isinstance(answer, dict) else None
    text = said if isinstance(said, str) else body.decode(errors="replace")
    words = " ".join(key.removed_from(text).split()) or "(no message)"
    return words if len(words) <= LONGEST_MESSAGE else f"{words[:LONGEST_MESSAGE]}..."


def trouble_of(status: int, message: str, asked: str) -> Trouble:
    """The trouble that may pass; what never passes is raised.

    Args:
        status: of the answer, neither 200 nor one of `NO_DATA`.
        message: what `server_message` made of the body.
        asked: path and parameters, for messages.

    Raises:
        AuthError: the key is missing, unknown or expired.
        PlanError: the plan does not include what was asked.
        OutsideWindow: the plan does not cover the dates.
        EndpointError: path or parameters are wrong.
        ServerError: a status that nothing explains.
    """
    said = f"{asked}: status {status}: {message}"
    if status == 429:
        waited = ", ".join(f"{seconds:.0f}" for seconds in LIMITED_WAITS)
        error: ApiError = RateLimited(
            f"{said} (asked again after {waited} s)",
            remedy="Stop other programs that use the account, set source.api.plan to the plan that it has, try later.",
        )
        return Trouble(f"{asked}: too many requests (429)", error, limited=True)
    if status == 408 or status >= 500:
        error = ServerError(said, remedy="Try again later; what was received before stays.")
        return Trouble(f"{asked}: status {status}", error)
    raise _refusal(status, message, said)


def _refusal(status: int, message: str, said: str) -> ApiError:
    window = _WINDOW.search(message)
    if window and status in (400, 403):
        return OutsideWindow(
            said,
            remedy="Ask for dates that the plan covers, or take a larger plan.",
            first=_day(window[1]),
            last=_day(window[2]),
        )
    if status == 401 or (status == 403 and _KEY.search(message)):
        return AuthError(said, remedy="Look on the J-Quants dashboard whether the key and the subscription are valid.")
    if status == 403 and not _NO_SUCH_PATH.search(message):
        return PlanError(said, remedy="Set source.api.plan to the plan that the account has: atft doctor names it.")
    if status < 300:
        return ServerError(said, remedy="Check source.api.base_url; the API answers with 200 and data.")
    return EndpointError(
        said, remedy="Check source.api.base_url, the path and its parameters against the V2 reference."
    )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
