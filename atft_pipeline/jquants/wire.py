"""From the wire's form to typed columns: text numbers, empty tokens, two spellings of dates, objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.endpoints import DTYPES, Endpoint, WireType

EMPTY = ("", "-", "*")
"""Tokens of the wire that mean "no value"."""

SHORT_CODE = "^[0-9][0-9A-Z][0-9][0-9A-Z]$"
"""A code of four characters: it would join with nothing. Other odd codes (259350) are kept; no stock matches them."""


@dataclass(frozen=True)
class TypedRows:
    """Rows with the endpoint's types.

    Attributes:
        frame: known columns in the endpoint's order, then unknown ones as they came. Absent columns stay absent.
        failed_casts: by column, how many values were neither empty nor readable and became null.
        unknown_columns: columns that the endpoint does not list; the schema drifts, and a reader should be told.
    """

    frame: pl.DataFrame
    failed_casts: dict[str, int]
    unknown_columns: tuple[str, ...]


def to_typed(rows: pl.DataFrame, endpoint: Endpoint) -> TypedRows:
    """Rows of one endpoint, typed; rows that are typed already pass through unchanged.

    Missing data: "", "-" and "*" become null; a value that cannot be read becomes null and is counted.
    Codes stay strings: a column of codes that arrives as integers has lost its leading zeros and is refused.

    Args:
        rows: wire rows, in any order of columns.
        endpoint: the contract to read them by.

    Raises:
        WireError: a required column is missing, a column has a type that cannot hold its values, or codes
            have four characters.
    """
    missing = [column for column in endpoint.required if column not in rows.columns]
    if missing:
        raise WireError(
            f"{endpoint.name} ({endpoint.path}): required column {', '.join(missing)} is missing; the rows have"
            f" {', '.join(rows.columns) or 'no columns'}.",
            remedy=f"Give rows with {', '.join(endpoint.required)}, as {endpoint.path} of V2 names them.",
        )
    known = [column for column in endpoint.columns if column in rows.columns]
    unknown = tuple(column for column in rows.columns if column not in endpoint.columns)
    typed = [_READERS[endpoint.columns[column]](rows[column], endpoint) for column in known]
    failed = {
        column: count
        for column, values in zip(known, typed, strict=True)
        if (count := values.null_count() - _count_empty(rows[column]))
    }
    return TypedRows(pl.DataFrame([*typed, *rows.select(unknown).get_columns()]), failed, unknown)


def can_hold(dtype: pl.DataType, kind: WireType) -> bool:
    """Whether a column of this dtype can be read as this wire type."""
    if dtype in (pl.String, pl.Null):
        return True
    if kind == "number":
        return dtype.is_numeric()
    if kind == "reason":
        return isinstance(dtype, pl.Struct)
    return dtype == {"date": pl.Date, "flag": pl.Boolean}.get(kind, pl.Categorical)


def _count_empty(values: pl.Series) -> int:
    """Nulls and empty tokens."""
    tokens = int(values.is_in(EMPTY).sum()) if values.dtype == pl.String else 0
    return values.null_count() + tokens


def _emptied(values: pl.Series) -> pl.Series:
    """Text without its empty tokens; anything else as it is."""
    return values.set(values.is_in(EMPTY), None) if values.dtype == pl.String else values


def _refuse(values: pl.Series, endpoint: Endpoint, kind: WireType) -> WireError:
    return WireError(
        f"{endpoint.name} ({endpoint.path}): column {values.name} has type {values.dtype}; {kind} is expected.",
        remedy=f"Store {values.name} as text or as {DTYPES[kind]} (codes as text: leading zeros count).",
    )


def _text(values: pl.Series, endpoint: Endpoint, kind: WireType = "text") -> pl.Series:
    if values.dtype == pl.Null:
        return values.cast(pl.String)
    if values.dtype == pl.Categorical:
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        raise _refuse(values, endpoint, kind)
    return _emptied(values)


def _code(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    text = _text(values, endpoint, "code")
    short = text.filter(text.str.contains(SHORT_CODE))
    if len(short):
        raise WireError(
            f"{endpoint.name} ({endpoint.path}): {len(short)} of {len(text)} values of {values.name} are four"
            f" characters long, such as {short[0]!r}.",
            remedy='Write codes with five, as V2 does: "72030", "130A0".',
        )
    return text


def _sector(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    return _text(values, endpoint, "sector").str.zfill(4)


def _number(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype != pl.String and values.dtype != pl.Null and not values.dtype.is_numeric():
        raise _refuse(values, endpoint, "number")
    number = _emptied(values).cast(pl.Float64, strict=False)
    return number.set(~number.is_finite(), None)


def _date(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype in (pl.Date, pl.Null):
        return values.cast(pl.Date)
    digits = _text(values, endpoint, "date").str.replace(r"^(\d{4})-(\d{2})-(\d{2})$", "$1$2$3")
    return digits.set(~digits.str.contains(r"^\d{8}$"), None).str.to_date("%Y%m%d", strict=False)


def _flag(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype in (pl.Boolean, pl.Null):
        return values.cast(pl.Boolean)
    return _text(values, endpoint, "flag").replace_strict(
        {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
    )


def _reason(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    dtype = DTYPES["reason"]
    if values.dtype == pl.String:
        return _emptied(values).str.json_decode(dtype)
    if values.dtype != pl.Null and not isinstance(values.dtype, pl.Struct):
        raise _refuse(values, endpoint, "reason")
    return values.cast(dtype)


_READERS: Mapping[WireType, Callable[[pl.Series, Endpoint], pl.Series]] = {
    "text": _text,
    "code": _code,
    "sector": _sector,
    "number": _number,
    "date": _date,
    "flag": _flag,
    "reason": _reason,
}
