"""From the wire's form to typed columns: text numbers, empty tokens, two spellings of dates, objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
import polars as pl

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.endpoints import DTYPES, REASONS, Endpoint, WireType

EMPTY = ("", "-", "*")
"""Tokens of the wire that mean "no value"."""

SHORT_CODE = "^[0-9][0-9A-Z][0-9][0-9A-Z]$"
"""A code of four characters: it would join with nothing. Other odd codes (259350) are kept; no stock matches them."""


@dataclass(frozen=True)
class TypedRows:
    """Rows with the endpoint's types.

    Attributes:
        frame: known columns in the endpoint's order, then unknown ones as text. Absent columns stay absent.
        failed_casts: by column, how many values were neither empty nor readable and became null.
        unknown_columns: columns that the endpoint does not list; the schema drifts, and a reader should be told.
    """

    frame: pl.DataFrame
    failed_casts: dict[str, int]
    unknown_columns: tuple[str, ...]


def to_typed(rows: pl.DataFrame, endpoint: Endpoint) -> TypedRows:
    """Rows of one endpoint, typed; rows that are typed already pass through unchanged.

    Missing data: "", "-" and "*" become null; a value that cannot be read becomes null and is counted. Of a reason's
    object an inner key that is missing is null, and one that is not in `REASONS` is left out.
    An unknown column becomes text as it is, whatever it holds: months that hold something else can be read together.
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
    given = _emptied(rows.select(known))
    read = [_READERS[endpoint.columns[values.name]](values, endpoint) for values in given.iter_columns()]
    typed = _finite(pl.DataFrame(read))
    counts = zip(known, given.null_count().row(0), typed.null_count().row(0), strict=True)
    failed = {column: null - empty for column, empty, null in counts if null > empty}
    return TypedRows(typed.hstack([_as_text(rows[column]) for column in unknown]), failed, unknown)


def can_hold(dtype: pl.DataType, kind: WireType) -> bool:
    """Whether a column of this dtype can be read as this wire type."""
    if dtype in (pl.String, pl.Null):
        return True
    if kind == "number":
        return dtype.is_numeric()
    if kind == "reason":
        return isinstance(dtype, pl.Struct)
    return dtype == {"date": pl.Date, "flag": pl.Boolean}.get(kind, pl.Categorical)


def refused(endpoint: Endpoint, column: str, holds: str) -> WireError:
    """The error of a column with values that its wire type cannot take.

    Args:
        endpoint: what is read.
        column: one of its columns.
        holds: what is wrong with it, as "has type Int64".
    """
    kind = endpoint.columns[column]
    return WireError(
        f"{endpoint.name} ({endpoint.path}): column {column} {holds}; {kind} is expected.",
        remedy=f"Store {column} as text or as {DTYPES[kind]} (codes as text: leading zeros count).",
    )


def text_of(value: object) -> str | None:
    """A value as text: a string as it is, null as None, anything else as JSON writes it, or as Python does."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _as_text(values: pl.Series) -> pl.Series:
    """Values of any type as text: a number in its shortest exact form, a flag "true" or "false", an object as JSON."""
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Duration):
        return pl.Series(values.name, [text_of(value) for value in values.to_list()], dtype=pl.String)
    text = values.cast(pl.String)
    return text.str.strip_suffix(".0") if values.dtype.is_float() else text  # as it would be among whole numbers


def _emptied(rows: pl.DataFrame) -> pl.DataFrame:
    """Text without its empty tokens; anything else as it is."""
    text = pl.col(pl.String, pl.Categorical)
    return rows.with_columns(pl.when(~text.cast(pl.String).is_in(EMPTY)).then(text))


def _finite(rows: pl.DataFrame) -> pl.DataFrame:
    """Numbers without infinities and NaN, which no market has; anything else as it is."""
    number = pl.col(pl.Float64)
    return rows.with_columns(pl.when(number.is_finite()).then(number))


def _by_distinct(text: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """What `read` makes of a text that repeats itself, as dates do: it reads each distinct value once."""
    distinct = text.drop_nulls().unique()
    values = pl.DataFrame({"text": distinct, "value": read(distinct)})
    joined = text.to_frame("text").join(values, on="text", how="left", maintain_order="left")
    return joined["value"].alias(text.name)


def _text(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype not in (pl.String, pl.Categorical, pl.Null):
        raise refused(endpoint, values.name, f"has type {values.dtype}")
    return values.cast(pl.String)


def _code(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    text = _text(values, endpoint)
    short = text.filter(text.str.contains(SHORT_CODE))
    if len(short):
        raise WireError(
            f"{endpoint.name} ({endpoint.path}): {len(short)} of {len(text)} values of {values.name} are four"
            f" characters long, such as {short[0]!r}.",
            remedy='Write codes with five, as V2 does: "72030", "130A0".',
        )
    return text


def _sector(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    return _text(values, endpoint).str.zfill(4)


def _number(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype != pl.String and values.dtype != pl.Null and not values.dtype.is_numeric():
        raise refused(endpoint, values.name, f"has type {values.dtype}")
    return values.cast(pl.Float64, strict=False)


def _date(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype in (pl.Date, pl.Null):
        return values.cast(pl.Date)
    return _by_distinct(_text(values, endpoint), _day)


def _day(text: pl.Series) -> pl.Series:
    digits = text.str.replace(r"^(\d{4})-(\d{2})-(\d{2})$", "$1$2$3")
    return digits.set(~digits.str.contains(r"^\d{8}$"), None).str.to_date("%Y%m%d", strict=False)


def _flag(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype in (pl.Boolean, pl.Null):
        return values.cast(pl.Boolean)
    return _text(values, endpoint).replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)


def _reason(values: pl.Series, endpoint: Endpoint) -> pl.Series:
    if values.dtype == pl.Null:
        return values.cast(DTYPES["reason"])
    if isinstance(values.dtype, pl.Struct):
        return _with_reasons(values)
    return _by_distinct(_text(values, endpoint), _objects)


def _objects(text: pl.Series) -> pl.Series:
    """Objects of `REASONS` from JSON; what is not an object is null."""
    return pl.Series(text.name, [_object(value) for value in text], dtype=DTYPES["reason"])


def _object(text: str) -> dict[str, str | None] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return {reason: text_of(found.get(reason)) for reason in REASONS} if isinstance(found, dict) else None


def _with_reasons(objects: pl.Series) -> pl.Series:
    """Typed objects with the fields of `REASONS`: one that is missing is null, and others are left out."""
    whole, there = pl.col(objects.name), objects.struct.fields
    fields = (
        whole.struct.field(reason).cast(pl.String) if reason in there else pl.lit(None, pl.String).alias(reason)
        for reason in REASONS
    )
    typed = pl.when(whole.is_not_null()).then(pl.struct(*fields)).alias(objects.name)
    return objects.to_frame().select(typed).to_series()


_READERS: Mapping[WireType, Callable[[pl.Series, Endpoint], pl.Series]] = {
    "text": _text,
    "code": _code,
    "sector": _sector,
    "number": _number,
    "date": _date,
    "flag": _flag,
    "reason": _reason,
}
