"""Each status and message of the API, and what it is taken for."""

from __future__ import annotations

from datetime import date

import httpx
import pytest

from atft_pipeline.errors import (
    ApiError,
    AuthError,
    EndpointError,
    OutsideWindow,
    PlanError,
    RateLimited,
    ServerError,
)
from atft_pipeline.jquants.api.answers import server_message, trouble_of
from atft_pipeline.jquants.api.credentials import ApiKey

from .servers import SECRET, WINDOW

ASKED = "/equities/bars/daily?date=2024-01-04"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Unauthorized", AuthError),
        (403, "The incoming api key is invalid or expired.", AuthError),
        (403, "The api key is required.", AuthError),
        (403, "Your subscription has expired.", AuthError),
        (403, "This API is not available on your subscription.", PlanError),
        (403, "No active subscription found.", PlanError),
        (403, "Forbidden", PlanError),
        (403, f"{WINDOW}2024-05-24 ~ 2026-05-24.", OutsideWindow),
        (403, "The requested endpoint does not exist.", EndpointError),
        (403, "Missing Authentication Token. The method or resources may not be supported.", EndpointError),
        (400, f"{WINDOW}2024-05-24 ~ 2026-05-24.", OutsideWindow),
        (400, "This API requires at least 1 parameter as follows; 'date','code'.", EndpointError),
        (404, "Not Found", EndpointError),
        (413, "Response data is too large.", EndpointError),
        (302, "Found", EndpointError),
        (206, "half", ServerError),
    ],
)
def test_what_never_passes_is_raised_with_the_servers_words(status: int, message: str, kind: type[ApiError]) -> None:
    with pytest.raises(ApiError) as caught:
        trouble_of(status, message, ASKED)
    assert type(caught.value) is kind
    assert caught.value.problem == f"{ASKED}: status {status}: {message}"


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 520])
def test_what_may_pass_is_told(status: int) -> None:
    trouble = trouble_of(status, "Oops", ASKED)
    assert trouble.reason == f"{ASKED}: status {status}"
    assert type(trouble.error) is ServerError
    assert not trouble.limited


def test_too_many_requests() -> None:
    trouble = trouble_of(429, "Too Many Requests", ASKED)
    assert trouble.limited
    assert type(trouble.error) is RateLimited
    assert "65, 130, 310 s" in trouble.error.problem


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("2024-05-24 ~ 2026-05-24. If you want more data, ...", date(2024, 5, 24), date(2026, 5, 24)),
        ("20240524 ~ 20260524", date(2024, 5, 24), date(2026, 5, 24)),
        ("2024-05-24~2026-05-24", date(2024, 5, 24), date(2026, 5, 24)),
        ("2021-09-01 ~ . If you want more data, ...", date(2021, 9, 1), None),
        ("2021-13-01 ~ 2026-05-24", None, date(2026, 5, 24)),
    ],
)
def test_the_window_is_read_from_the_message(said: str, first: date | None, last: date | None) -> None:
    with pytest.raises(OutsideWindow) as caught:
        trouble_of(400, WINDOW + said, ASKED)
    assert (caught.value.first, caught.value.last) == (first, last)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Not  Found"}', "Not Found"),
        (b'{"error": 7}', '{"error": 7}'),
        (b'{"message": null}', '{"message": null}'),
        (b"<html>\n<b>Bad\tGateway</b>", "<html> <b>Bad Gateway</b>"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "��"),
        (b"", "(no message)"),
        (b"x" * 301, "x" * 300 + "..."),
        (f'{{"message": "key {SECRET} is unknown"}}'.encode(), "key ApiKey(...) is unknown"),
        (b"x" * 290 + SECRET.encode(), "x" * 290 + "ApiKey(..." + "..."),
    ],
)
def test_the_servers_words_are_short_and_without_the_key(body: bytes, words: str) -> None:
    assert server_message(httpx.Response(500, content=body).content, ApiKey(SECRET)) == words
