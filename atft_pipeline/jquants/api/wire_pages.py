"""The API's JSON pages become one frame of wire rows, which `jquants.wire.to_typed` then types.

A column's form follows its wire type where the endpoint lists it, and its values where it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import orjson
import polars as pl

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.endpoints import DTYPES, REASONS, Endpoint, WireType
from atft_pipeline.jquants.wire import EMPTY, refused, text_of

EXACT = 2**53
"""Whole numbers up to this size are exact as Float64."""

_TEXT_ALONE: tuple[WireType, ...] = ("text", "code", "sector", "date")
"""Wire types whose values must be strings: a number in their place has lost its leading zeros."""


def frame_of_pages(bodies: Sequence[bytes], endpoint: Endpoint) -> pl.DataFrame:
    """The rows of all pages of one query in one frame, in the order given.

    Missing data: a key that a row, or a page, lacks is null there; null stays null; "", "-" and "*" are left to
    `to_typed`, except beside numbers, where they become null at once. A column that no row has is absent. Without
    any row the frame has the endpoint's required columns, typed.

    Numbers are Float64, also where the endpoint does not list the column. Values of several kinds in one column become
    text as JSON writes it: `to_typed` reads what it can and counts the rest. So do numbers of an unlisted column that
    Float64 cannot hold exactly, and objects and lists. An inner key of PubReason that is not in `REASONS` becomes a
    column of its own, `PubReason.Key`, which `to_typed` reports like any unlisted column; a missing one is null.

    Args:
        bodies: the JSON of each page.
        endpoint: the contract to read them by.

    Raises:
        WireError: a page is not JSON, or has no list of rows; or a column of text, codes or dates holds a value that
            is not a string.
    """
    rows = list(chain.from_iterable(_rows(body, number, endpoint) for number, body in enumerate(bodies, 1)))
    if not rows:
        return pl.DataFrame(schema={column: endpoint.schema[column] for column in endpoint.required})
    found: list[pl.Series] = []
    for column, values in _columns(rows):
        kind = endpoint.columns.get(column)
        found.append(_unlisted(column, values) if kind is None else _listed(column, values, kind, endpoint))
        if kind == "reason":
            found += _other_reasons(column, values)
    return pl.DataFrame(found)


def _rows(body: bytes, number: int, endpoint: Endpoint) -> list[dict[str, object]]:
    """The page's rows."""
    says = f"{endpoint.name} ({endpoint.path}): page {number} of the answer"
    remedy = "Fetch it again; if it stays so, the API has changed: compare it with the documentation of V2."
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"{says} is not JSON ({error}).", remedy=remedy) from error
    rows = page.get("data") if isinstance(page, dict) else None
    if not isinstance(rows, list) or set(map(type, rows)) - {dict}:
        raise WireError(f'{says} has no list of objects under "data".', remedy=remedy)
    return rows


def _columns(rows: list[dict[str, object]]) -> Iterator[tuple[str, list[object]]]:
    """Each key that a row has, in the order of their first appearance, with its value in every row."""
    orders = dict.fromkeys(map(tuple, rows))
    keys = list(dict.fromkeys(chain.from_iterable(orders)))
    if len(orders) > 1:  # keys are missing somewhere, or stand in another order
        nothing = dict.fromkeys(keys)
        rows = [nothing | row for row in rows]
    values = list(chain.from_iterable(row.values() for row in rows))
    for i, key in enumerate(keys):
        yield key, values[i :: len(keys)]


def _listed(column: str, values: list[object], kind: WireType, endpoint: Endpoint) -> pl.Series:
    """A column of the endpoint; its dtype is one that `to_typed` reads as this wire type."""
    if (texts := _strings(column, values)) is not None:
        return texts
    kinds = _kinds(values)
    if kind in _TEXT_ALONE and kinds - {str}:
        stray = next(value for value in values if value is not None and not isinstance(value, str))
        raise refused(endpoint, column, f"holds {text_of(stray)}, which is not a string")
    if kind == "number" and str in kinds and len(kinds) > 1:
        values = [None if isinstance(value, str) and value in EMPTY else value for value in values]
        kinds = _kinds(values)
    if not kinds or (kind == "number" and kinds <= {int, float}) or (kind == "flag" and kinds == {bool}):
        return pl.Series(column, values, dtype=DTYPES[kind])
    return _as_text(column, values)


def _unlisted(column: str, values: list[object]) -> pl.Series:
    """A column that the endpoint does not list."""
    if (texts := _strings(column, values)) is not None:
        return texts
    kinds = _kinds(values)
    if not kinds:
        return pl.Series(column, values, dtype=pl.Null)
    if kinds == {bool}:
        return pl.Series(column, values, dtype=pl.Boolean)
    if kinds <= {int, float} and not any(isinstance(value, int) and abs(value) > EXACT for value in values):
        return pl.Series(column, values, dtype=pl.Float64)
    return _as_text(column, values)


def _other_reasons(column: str, values: list[object]) -> list[pl.Series]:
    """Inner keys of an object's column beyond `REASONS`, each as a column."""
    objects = [value if isinstance(value, dict) else {} for value in values]
    others = [key for key in dict.fromkeys(chain.from_iterable(objects)) if key not in REASONS]
    return [_unlisted(f"{column}.{key}", [found.get(key) for found in objects]) for key in others]


def _strings(column: str, values: list[object]) -> pl.Series | None:
    """A column of strings alone; None if it is something else. Most columns are; asking for each type costs more."""
    if not isinstance(next((value for value in values if value is not None), None), str):
        return None
    try:
        return pl.Series(column, values, dtype=pl.String)
    except TypeError:
        return None


def _as_text(column: str, values: list[object]) -> pl.Series:
    return pl.Series(column, [text_of(value) for value in values], dtype=pl.String)


def _kinds(values: list[object]) -> set[type]:
    """Python types of the values that are not null: those of JSON, so no type is another's subclass but bool."""
    return set(map(type, values)) - {type(None)}
