"""What each endpoint may be asked, and reading it from a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from starlette.exceptions import HTTPException

from atft_pipeline.jquants.endpoints import Endpoint

PAGINATION_KEY = "pagination_key"
CURSOR = "cursor"

_SPAN = ("from", "to")
_DATE = re.compile(r"\d{8}|\d{4}-\d{2}-\d{2}")
_CODE = re.compile(r"[0-9][0-9A-Z][0-9][0-9A-Z][0-9]?")
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Parameters:
    """The documented parameters of one endpoint.

    Attributes:
        equal: parameter to the column that it must equal.
        days: parameter to the column whose day it names; at most one of them, and none beside a span.
        span: the two parameters of the first and last day of the endpoint's date column; empty if it has none.
        needed: at least one of these must be given.
        span_with: a span is taken only together with this parameter; empty if it stands alone.
        alone: whether only one of `needed` may be given.
        cursor: whether rows after a cursor can be asked for.
    """

    equal: Mapping[str, str] = field(default_factory=lambda: _NONE)
    days: Mapping[str, str] = field(default_factory=lambda: _NONE)
    span: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    span_with: str = ""
    alone: bool = False
    cursor: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter that may be given."""
        return (*self.equal, *self.days, *self.span, *((CURSOR,) if self.cursor else ()), PAGINATION_KEY)


PARAMETERS: Mapping[str, Parameters] = {
    "trading_calendar": Parameters(equal={"hol_div": "HolDiv"}, span=_SPAN),
    "equities_master": Parameters(equal={"code": "Code"}, days={"date": "Date"}),
    "daily_bars": Parameters({"code": "Code"}, {"date": "Date"}, _SPAN, ("code", "date"), span_with="code"),
    "topix": Parameters(span=_SPAN),
    "investor_types": Parameters(equal={"section": "Section"}, span=_SPAN),
    "margin_interest": Parameters(
        {"code": "Code"},
        {"date": "Date", "published_date": "PubDate"},
        _SPAN,
        ("code", "date", "published_date"),
        span_with="code",
    ),
    "margin_alert": Parameters({"code": "Code"}, {"date": "PubDate"}, _SPAN, ("code", "date"), span_with="code"),
    "short_ratio": Parameters({"s33": "S33"}, {"date": "Date"}, _SPAN, ("s33", "date"), span_with="s33"),
    "short_sale_report": Parameters(
        {"code": "Code"},
        {"disc_date": "DiscDate", "calc_date": "CalcDate"},
        ("disc_date_from", "disc_date_to"),
        ("code", "disc_date", "calc_date"),
        span_with="code",
    ),
    "financial_summaries": Parameters({"code": "Code"}, {"date": "DiscDate"}, needed=("code", "date"), cursor=True),
    "earnings_dates": Parameters(
        {"code": "Code"},
        {"date": "PubDate", "scheduled_date": "SchDate"},
        needed=("code", "date", "scheduled_date"),
        alone=True,
    ),
}


@dataclass(frozen=True)
class Query:
    """What a request asks of an endpoint.

    Attributes:
        equal: column to the value that it must have.
        days: column to the day that it must name.
        first: first day of a span of the date column; None if open.
        last: last day of it.
        pagination_key: where to go on; empty for the first page.
        cursor: rows after this one only; empty for all.
    """

    equal: Mapping[str, str]
    days: Mapping[str, date]
    first: date | None
    last: date | None
    pagination_key: str
    cursor: str


def read_query(endpoint: Endpoint, given: Mapping[str, str]) -> Query:
    """The query of a request.

    Raises:
        HTTPException: 400 where a parameter is missing, unknown, malformed or contradicts another.
    """
    known = PARAMETERS[endpoint.name]
    _check_names(known, given)
    span = [_day(name, given[name]) if name in given else None for name in known.span] or [None, None]
    if span[0] and span[1] and span[0] > span[1]:
        raise HTTPException(400, f"'{known.span[0]}' must not be later than '{known.span[1]}'.")
    return Query(
        equal={column: _value(name, given[name]) for name, column in known.equal.items() if name in given},
        days={column: _day(name, given[name]) for name, column in known.days.items() if name in given},
        first=span[0],
        last=span[1],
        pagination_key=given.get(PAGINATION_KEY, ""),
        cursor=given.get(CURSOR, ""),
    )


def _check_names(known: Parameters, given: Mapping[str, str]) -> None:
    unknown = [name for name in given if name not in known.names]
    if unknown:
        raise HTTPException(400, f"Unknown parameter: {', '.join(unknown)}.")
    asked = [name for name in known.needed if name in given]
    if known.needed and not asked:
        raise HTTPException(400, f"This API requires at least 1 parameter as follows: {', '.join(known.needed)}.")
    if known.alone and len(asked) > 1:
        raise HTTPException(400, f"Only one of these parameters may be given: {', '.join(asked)}.")
    dated = [name for name in known.days if name in given]
    spans = [name for name in known.span if name in given]
    if len(dated) > 1 or (dated and spans):
        raise HTTPException(400, f"These parameters cannot be combined: {', '.join(dated + spans)}.")
    if spans and known.span_with and known.span_with not in given:
        raise HTTPException(400, f"{', '.join(spans)}: only together with '{known.span_with}'.")


def _value(name: str, text: str) -> str:
    """A value as the column has it: codes of five characters, sectors of four."""
    if name == "code":
        if not _CODE.fullmatch(text):
            raise HTTPException(400, "'code' must be 4 or 5 characters, such as 7203 or 72030.")
        return text if len(text) == 5 else f"{text}0"
    return text.zfill(4) if name == "s33" else text


def _day(name: str, text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise HTTPException(400, f"'{name}' is no day of the calendar: {error}.") from error
    raise HTTPException(400, f"'{name}' must have the format YYYYMMDD or YYYY-MM-DD.")
