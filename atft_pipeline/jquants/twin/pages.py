"""Pages of rows: where a page is cut, the key to the next one, and the JSON of rows."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

import orjson
import polars as pl
from starlette.exceptions import HTTPException

from atft_pipeline.jquants.endpoints import Endpoint
from atft_pipeline.jquants.twin.parameters import PAGINATION_KEY

MIXED = ("margin_alert",)
"""Endpoints whose columns hold numbers and tokens side by side."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def cut(rows: pl.DataFrame, question: str, page_rows: int, pagination_key: str) -> tuple[pl.DataFrame, str | None]:
    """One page of rows and the key to the next; None on the last page.

    The key holds the number of rows before the page, so rows that come between two pages shift what follows, as
    they may at the API.

    Args:
        rows: every row of the query.
        question: what `question_of` says of the request; a key fits its own question only.
        page_rows: rows per page.
        pagination_key: key of the page; empty for the first.

    Raises:
        HTTPException: 400 for a key that is malformed or belongs to another query.
    """
    start = 0
    if pagination_key:
        kind, _, count = _unsealed(pagination_key, PAGINATION_KEY).partition(":")
        if kind != question or not count.isdigit():
            raise HTTPException(400, "'pagination_key' is invalid.")
        start = int(count)
    end = start + page_rows
    return rows.slice(start, page_rows), _sealed(f"{question}:{end}") if end < rows.height else None


def question_of(path: str, given: Mapping[str, str]) -> str:
    """A short digest of path and parameters, the pagination key left out."""
    asked = sorted((name, value) for name, value in given.items() if name != PAGINATION_KEY)
    return hashlib.blake2b(repr((path, asked)).encode(), digest_size=8).hexdigest()


def after_cursor(rows: pl.DataFrame, cursor: str) -> pl.DataFrame:
    """Statements that were numbered after those that the cursor stands for; all of them for an empty cursor.

    Raises:
        HTTPException: 400 for a malformed cursor.
    """
    if not cursor:
        return rows
    kind, _, number = _unsealed(cursor, "cursor").partition(":")
    if kind != "DiscNo":
        raise HTTPException(400, "'cursor' is invalid.")
    return rows.filter(pl.col("DiscNo") > number)


def cursor_of(rows: pl.DataFrame, cursor: str) -> str:
    """The cursor after these statements; the one before if there are none."""
    return _sealed(f"DiscNo:{rows['DiscNo'].sort()[-1]}") if rows.height else cursor or _sealed("DiscNo:")


def json_rows(rows: pl.DataFrame, endpoint: Endpoint) -> bytes:
    """The JSON array of rows: numbers as numbers, but as text where the endpoint has them so; missing is null."""
    if endpoint.name not in MIXED:
        return rows.write_json().encode()
    numbers = [column for column, kind in endpoint.columns.items() if kind == "number" and column in rows.columns]
    records = rows.to_dicts()
    for record in records:
        # the text of a number is JSON already; tokens stay text
        record |= {name: orjson.Fragment(record[name]) for name in numbers if _NUMBER.fullmatch(record[name])}
    return orjson.dumps(records)


def _sealed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _unsealed(text: str, name: str) -> str:
    try:
        return base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise HTTPException(400, f"'{name}' is invalid.") from error
