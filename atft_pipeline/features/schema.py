"""Does a feature table keep the contract's promises? A pandera schema of its form, and the list of broken promises.

pandera is imported inside the function: the code location loads without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import Column, Contract
from atft_pipeline.features.day_facts import HIGH, LOW, NULLS, OUTSIDE, day_facts, unmatched_rows

if TYPE_CHECKING:
    import pandera.polars as pa
    from pandera.errors import SchemaErrors

KEYS = {"Date": pl.Date(), "Code": pl.String()}
CODE_PATTERN = r"^[0-9][0-9A-Z][0-9][0-9A-Z][0-9]$"

CONSTANT_SESSIONS = 252
"""A column with one and the same value for so many sessions is dead; sparse columns are judged over as many."""

DENSE = 0.95
"""A column with a lower `min_active_share` is sparse: a single month says nothing about its spread."""

Form = Mapping[str, pl.DataType]
"""Columns and types of a file, in their order."""

Rule = Literal[
    "missing",
    "extra",
    "order",
    "dtype",
    "duplicate",
    "rows",
    "family_null",
    "null_share",
    "range",
    "constant",
    "spread",
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


def validated(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The frame, if it keeps `features_schema`.

    Raises:
        ContractError: it does not; names every column with its rule and the worst rows.
    """
    from pandera.errors import SchemaErrors

    try:
        kept: pl.DataFrame = features_schema(contract).validate(frame, lazy=True)
    except SchemaErrors as error:
        raise ContractError(
            f"features up to {frame['Date'].max()!s}: {'; '.join(_told(error, frame, contract))}.",
            remedy="Look at the raw rows of these stocks. If the values are right, the contract's range is wrong.",
        ) from error
    return kept


def _told(error: SchemaErrors, frame: pl.DataFrame, contract: Contract) -> list[str]:
    """Each broken rule; of values out of range how many there are, and the farthest with its row."""
    told: list[str] = []
    for broken in error.schema_errors:
        name = broken.schema.name if isinstance(broken.schema.name, str) else ""
        if broken.reason_code.name != "DATAFRAME_CHECK" or name not in contract.names:
            told.append(str(broken).splitlines()[0].rstrip(":"))
            continue
        low, high = contract[name].valid_range
        outside = frame.select("Date", "Code", value=name).filter(~pl.col("value").is_between(low, high))
        worst = outside.sort((pl.col("value") - (low + high) / 2).abs(), nulls_last=True, descending=True).row(0)
        others = f"{outside.height} values are not in {low:g} to {high:g}"
        told.append(f"{name} is {worst[2]:.6g} for {worst[1]} on {worst[0]}, {others}")
    return told


def frame_problems(
    frame: pl.LazyFrame,
    contract: Contract,
    facts: pl.DataFrame | None = None,
    *,
    judge_from: date | None = None,
    files: Mapping[str, Form] | None = None,
    universe: pl.LazyFrame | None = None,
) -> list[Problem]:
    """Every promise of the contract that a feature table breaks; an empty list means that it keeps them all.

    Of each file: columns missing, extra or out of order; dtypes. On all rows: (Date, Code) twice; members of the
    universe without a row, and rows of others; values out of range or not finite. On rows from `judge_from`, where the
    warm-up is over: a family without a value in a month; a null share above the column's limit; one value for 252
    sessions or more; days on which a column does not differ between stocks (a market column: on which it does). A
    sparse column's active share is judged on 252 sessions or more.

    Args:
        frame: Date, Code and feature columns, raw values. Scan it from the saved files.
        contract: of the families that the table must hold.
        facts: `day_facts` of the frame over `sound_columns`, where they are known; made here otherwise.
        judge_from: first date on which nulls, constancy and spread count; None for every date.
        files: form of each file by name, where the frame is scanned from several: a column that one of them lacks reads
            as null. None: the frame's own form.
        universe: Date, Code, in_universe of the same months; None: rows are not compared with it.

    Returns:
        Problems by rule, then in the contract's order.
    """
    files = {"": frame.collect_schema()} if files is None else files
    found = _forms(files, contract)
    if not _keys_are_sound(files.values()):
        return found
    columns = sound_columns(files.values(), contract)
    facts = day_facts(frame, columns) if facts is None else facts
    if twice := facts["repeated"].sum():
        found.append(Problem("duplicate", "Date, Code", "", f"{twice} rows", "0"))
    if universe is not None:
        found += _rows(unmatched_rows(frame, universe))
    judged = facts if judge_from is None else facts.filter(pl.col("Date") >= judge_from)
    found += [*_out_of_range(facts, columns), *_nulls(judged, columns)]
    return found + list(_without_life(judged, columns))


def sound_columns(files: Iterable[Form], contract: Contract) -> list[Column]:
    """Columns of the contract that every file holds with the right type; none where Date or Code is not sound."""
    types, forms = _types(contract), list(files)
    if not _keys_are_sound(forms):
        return []
    return [column for column in contract.columns if all(f.get(column.name) == types[column.name] for f in forms)]


def _keys_are_sound(files: Iterable[Form]) -> bool:
    return all(form.get(key) == dtype for form in files for key, dtype in KEYS.items())


def _types(contract: Contract) -> dict[str, pl.DataType]:
    return KEYS | {column.name: getattr(pl, column.dtype)() for column in contract.columns}


def _forms(files: Mapping[str, Form], contract: Contract) -> list[Problem]:
    """Problems of form, each told once, with the files that have it unless all have."""
    where: dict[Problem, list[str]] = {}
    for name, form in files.items():
        for problem in _form(form, contract):
            where.setdefault(problem, []).append(name)
    return [
        problem if len(names) == len(files) else replace(problem, value=f"{problem.value} in {', '.join(names)}")
        for problem, names in where.items()
    ]


def _form(form: Form, contract: Contract) -> list[Problem]:
    """Columns missing, extra, out of order, or of another type."""
    types, there = _types(contract), tuple(form)
    found = [_structure("missing", name, contract, "absent", "present") for name in types if name not in form]
    found += [_structure("extra", name, contract, "present", "absent") for name in there if name not in types]
    if not found and there != tuple(types):
        at, wanted = next((i, name) for i, name in enumerate(types) if there[i] != name)
        found.append(_structure("order", there[at], contract, f"position {at}", f"{wanted} stands there"))
    wrong = [name for name in types if name in form and form[name] != types[name]]
    return found + [_structure("dtype", name, contract, str(form[name]), str(types[name])) for name in wrong]


def _structure(rule: Rule, name: str, contract: Contract, value: str, limit: str) -> Problem:
    return Problem(rule, name, contract[name].family if name in contract.names else "", value, limit)


def _rows(unmatched: pl.DataFrame) -> Iterator[Problem]:
    """Members of the universe without a row, and rows of no member."""
    for has_row, what in ((False, "members of the universe have no row"), (True, "rows are of no member")):
        days = unmatched.filter(pl.col("has_row") == has_row)
        if len(days):
            first = f"first {days['code'][0]} on {days['Date'][0]}"
            yield Problem(
                "rows", "Date, Code", "", f"{days['rows'].sum()} {what}, on {len(days)} sessions, {first}", "0"
            )


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
    gone = set[str]()
    for family, months, throughout in _without_values(facts, columns):
        value = "every value is null" + ("" if throughout else f" in {', '.join(months)}")
        yield Problem("family_null", "*", family, value, "some value in each month")
        gone |= {family} if throughout else set()
    for column in columns:
        if column.family not in gone and share[column.name] > column.max_null_share:
            yield Problem(
                "null_share", column.name, column.family, f"{share[column.name]:.4f}", f"{column.max_null_share}"
            )


def _without_values(facts: pl.DataFrame, columns: list[Column]) -> Iterator[tuple[str, list[str], bool]]:
    """Families without a single value in some months, or in all; flags are known where nothing is, and do not count."""
    counts = [f"{column.name}{NULLS}" for column in columns]
    months = facts.group_by(month=pl.col("Date").dt.to_string("%Y-%m")).agg(pl.col("rows", *counts).sum()).sort("month")
    for family in dict.fromkeys(column.family for column in columns):
        members = [column for column in columns if column.family == family]
        values = [column for column in members if column.kind != "flag"] or members
        dead = months.filter(pl.all_horizontal(pl.col(f"{column.name}{NULLS}") == pl.col("rows") for column in values))
        if len(dead):
            yield family, dead["month"].to_list(), len(dead) == len(months)


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
