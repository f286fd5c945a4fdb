"""Does a feature table keep the contract's promises? A pandera schema of its form, and the list of broken promises.

pandera is imported inside the function: the code location loads without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.features.contract import Column, Contract
from atft_pipeline.features.day_facts import HIGH, LOW, NULLS, OUTSIDE, day_facts

if TYPE_CHECKING:
    import pandera.polars as pa

KEYS = {"Date": pl.Date(), "Code": pl.String()}
CODE_PATTERN = r"^[0-9][0-9A-Z][0-9][0-9A-Z][0-9]$"

CONSTANT_SESSIONS = 252
"""A column with one and the same value for so many sessions is dead; sparse columns are judged over as many."""

DENSE = 0.95
"""A column with a lower `min_active_share` is sparse: a single month says nothing about its spread."""

Rule = Literal[
    "missing", "extra", "order", "dtype", "duplicate", "family_null", "null_share", "range", "constant", "spread"
]


@dataclass(frozen=True)
class Problem:
    """One broken promise: which rule, where, what was found and what the limit is."""

    rule: Rule
    column: str
    family: str
    value: str
    limit: str

    def __str__(self) -> str:
        place = f"{self.family}.{self.column}" if self.family else self.column
        return f"{self.rule}: {place} = {self.value}, limit {self.limit}"


def features_schema(contract: Contract) -> pa.DataFrameSchema:
    """Pandera schema of a feature table: its columns and no others, in order, typed, in range, (Date, Code) unique.

    Validate eager frames with it: of a LazyFrame pandera looks at the types alone.
    """
    import pandera.polars as pa

    columns = {
        "Date": pa.Column(pl.Date),
        "Code": pa.Column(pl.String, pa.Check.str_matches(CODE_PATTERN)),
    } | {
        column.name: pa.Column(
            getattr(pl, column.dtype), pa.Check.in_range(*column.valid_range), nullable=True, description=column.formula
        )
        for column in contract.columns
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=["Date", "Code"], name="features")


def frame_problems(
    frame: pl.LazyFrame, contract: Contract, facts: pl.DataFrame | None = None, *, judge_from: date | None = None
) -> list[Problem]:
    """Every promise of the contract that a feature table breaks; an empty list means that it keeps them all.

    On all rows: columns missing, extra or out of order; dtypes; (Date, Code) twice; values out of range or not
    finite. On rows from `judge_from`, where the warm-up is over: a family that is null throughout; a null share above
    the column's limit; one value for 252 sessions or more; days on which a column does not differ between stocks
    (a market column: on which it does). A sparse column's active share is judged on 252 sessions or more.

    Args:
        frame: Date, Code and feature columns, raw values. Scan it from the saved files.
        contract: of the families that the table must hold.
        facts: `day_facts` of the frame over `sound_columns`, where they are known; made here otherwise.
        judge_from: first date on which nulls, constancy and spread count; None for every date.

    Returns:
        Problems by rule, then in the contract's order.
    """
    schema = frame.collect_schema()
    found = _form(schema, contract)
    types = _types(contract)
    if any(schema.get(key) != types[key] for key in KEYS):
        return found
    columns = sound_columns(schema, contract)
    facts = day_facts(frame, columns) if facts is None else facts
    if twice := facts["repeated"].sum():
        found.append(Problem("duplicate", "Date, Code", "", f"{twice} rows", "0"))
    judged = facts if judge_from is None else facts.filter(pl.col("Date") >= judge_from)
    found += [*_out_of_range(facts, columns), *_nulls(judged, columns)]
    return found + list(_without_life(judged, columns))


def sound_columns(schema: Mapping[str, pl.DataType], contract: Contract) -> list[Column]:
    """Columns of the contract that a table holds with the right type."""
    types = _types(contract)
    return [column for column in contract.columns if schema.get(column.name) == types[column.name]]


def _types(contract: Contract) -> dict[str, pl.DataType]:
    return KEYS | {column.name: getattr(pl, column.dtype)() for column in contract.columns}


def _form(schema: Mapping[str, pl.DataType], contract: Contract) -> list[Problem]:
    """Columns missing, extra, out of order, or of another type."""
    types, there = _types(contract), tuple(schema)
    found = [_structure("missing", name, contract, "absent", "present") for name in types if name not in schema]
    found += [_structure("extra", name, contract, "present", "absent") for name in there if name not in types]
    if not found and there != tuple(types):
        at, wanted = next((i, name) for i, name in enumerate(types) if there[i] != name)
        found.append(_structure("order", there[at], contract, f"position {at}", f"{wanted} stands there"))
    wrong = [name for name in types if name in schema and schema[name] != types[name]]
    return found + [_structure("dtype", name, contract, str(schema[name]), str(types[name])) for name in wrong]


def _structure(rule: Rule, name: str, contract: Contract, value: str, limit: str) -> Problem:
    return Problem(rule, name, contract[name].family if name in contract.names else "", value, limit)


def _out_of_range(facts: pl.DataFrame, columns: list[Column]) -> Iterator[Problem]:
    for column in columns:
        low, high = column.valid_range
        if bad := int(facts[f"{column.name}{OUTSIDE}"].sum()):
            days = facts.filter(pl.col(f"{column.name}{OUTSIDE}") > 0)
            worst = f"{days[f'{column.name}{LOW}'].min()!s} to {days[f'{column.name}{HIGH}'].max()!s}"
            yield Problem("range", column.name, column.family, f"{bad} rows; that day {worst}", f"{low} to {high}")


def _nulls(facts: pl.DataFrame, columns: list[Column]) -> Iterator[Problem]:
    rows = int(facts["rows"].sum())
    if not rows:
        return
    share = {column.name: int(facts[f"{column.name}{NULLS}"].sum()) / rows for column in columns}
    families = dict.fromkeys(column.family for column in columns)
    dead = [f for f in families if all(share[column.name] == 1.0 for column in columns if column.family == f)]
    for family in dead:
        yield Problem("family_null", "*", family, "every value is null", "some value")
    for column in columns:
        if column.family not in dead and share[column.name] > column.max_null_share:
            yield Problem(
                "null_share", column.name, column.family, f"{share[column.name]:.4f}", f"{column.max_null_share}"
            )


def _without_life(facts: pl.DataFrame, columns: list[Column]) -> Iterator[Problem]:
    for column in columns:
        known = facts.select(low=f"{column.name}{LOW}", high=f"{column.name}{HIGH}").drop_nulls()
        low, high = known["low"].to_numpy(), known["high"].to_numpy()
        if not len(low):
            continue
        run = _constant_sessions(low, high, whole=column.kind == "flag")
        may_rest = column.scope != "market" and column.min_active_share == 0.0
        if run >= CONSTANT_SESSIONS and not may_rest:
            yield Problem("constant", column.name, column.family, f"{run} sessions", f"{CONSTANT_SESSIONS - 1}")
        active = float((high > low).mean())
        if column.scope == "market":
            if active > 0:
                yield Problem("spread", column.name, column.family, f"differs on {active:.4f} of days", "0")
        elif active < column.min_active_share and (column.min_active_share >= DENSE or len(low) >= CONSTANT_SESSIONS):
            limit = f"{column.min_active_share}"
            yield Problem("spread", column.name, column.family, f"differs on {active:.4f} of days", limit)


def _constant_sessions(low: NDArray[np.floating], high: NDArray[np.floating], *, whole: bool) -> int:
    """Longest run of sessions with one value; with `whole`, only a run over all of them counts (a flag may rest)."""
    longest = current = 0
    for i in range(len(low)):
        same = low[i] == high[i]
        current = (current + 1 if current and low[i] == low[i - 1] else 1) if same else 0
        longest = max(longest, current)
    return longest if not whole or longest == len(low) else 0
