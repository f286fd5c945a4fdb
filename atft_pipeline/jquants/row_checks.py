"""Checks over typed rows of an endpoint: vectorized, all rules at once, each with the first row that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from atft_pipeline.jquants.endpoints import Endpoint
from atft_pipeline.jquants.findings import Oddity, Places, Problem
from atft_pipeline.jquants.price_rules import Rule, bar_oddities, price_rules

CODE_LENGTH = 5
PRICED = ("daily_bars", "topix")
CODED = ("daily_bars", "equities_master")
"""Endpoints in which a row without a code means nothing."""

UNDATED_FUTURE = ("trading_calendar",)
AHEAD = {"equities_master": timedelta(days=14)}
"""After 17:30 the master is the next session's; the longest closure of the exchange took ten days."""


def row_problems(frame: pl.DataFrame, endpoint: Endpoint, places: Places, latest: date | None) -> tuple[Problem, ...]:
    """Every rule that a row breaks, by file.

    Args:
        frame: typed rows.
        endpoint: what they are.
        places: where they stand.
        latest: the day after which no row can be dated; None if the source has no such day.
    """
    rules = [*_generic_rules(endpoint, latest), *(price_rules(frame.columns) if endpoint.name in PRICED else ())]
    if frame.is_empty() or not rules:
        return ()
    broken = frame.select(rule.broken.fill_null(value=False).alias(str(i)) for i, rule in enumerate(rules))
    counts = broken.sum().row(0)
    return tuple(
        problem
        for i, rule in enumerate(rules)
        if counts[i]
        for problem in _tell(frame, endpoint, places, rule, broken[str(i)])
    )


def row_oddities(frame: pl.DataFrame, endpoint: Endpoint, sessions: Sequence[date]) -> tuple[Oddity, ...]:
    """Odd but usable rows, counted, and sessions without any bar.

    Args:
        frame: typed rows.
        endpoint: what they are.
        sessions: sessions of the calendar that the rows should cover.
    """
    found: list[Oddity] = []
    if "Code" in frame.columns:
        odd = frame.filter(pl.col("Code").str.len_chars() != CODE_LENGTH)["Code"]
        if len(odd):
            found.append(
                Oddity(f"codes that do not have {CODE_LENGTH} characters; no stock matches them", len(odd), odd[0])
            )
    if endpoint.name == "daily_bars":
        found += bar_oddities(frame)
        traded = set(frame.select(pl.col("Date").filter(pl.col("C").is_not_null()).unique()).to_series())
        if missing := [day for day in sessions if day not in traded]:
            found.append(
                Oddity("sessions of the calendar without a bar that has a price", len(missing), f"{missing[0]}")
            )
    return tuple(found)


def _generic_rules(endpoint: Endpoint, latest: date | None) -> list[Rule]:
    column = endpoint.date_column
    readable = "Write dates as YYYY-MM-DD or YYYYMMDD."
    rules = [Rule(column, (column,), pl.col(column).is_null(), f"no readable {column}", "a date is expected", readable)]
    if endpoint.name in CODED:
        remedy = "Write the code of the row."
        rules.append(Rule("Code", ("Code",), pl.col("Code").is_null(), "no Code", "a code is expected", remedy))
    if latest is not None and endpoint.name not in UNDATED_FUTURE:
        limit = latest + AHEAD.get(endpoint.name, timedelta())
        says, remedy = f"{column} {{{column}}} lies in the future", "Correct the date, or the clock of this machine."
        rules.append(Rule(column, (column,), pl.col(column) > limit, says, f"the latest possible is {limit}", remedy))
    return rules


def _tell(frame: pl.DataFrame, endpoint: Endpoint, places: Places, rule: Rule, broken: pl.Series) -> list[Problem]:
    found = []
    for file, at, row, count in places.of(broken):
        values = frame.row(at, named=True)
        keys = [str(values[column]) for column in endpoint.key if values.get(column) is not None]
        says = rule.says.format_map(values) + (f" ({', '.join(keys)})" if keys else "")
        found.append(Problem(file, rule.column, row, says, rule.limit, rule.remedy, count))
    return found
