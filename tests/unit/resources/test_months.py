"""Tables that are made a part at a time: long parts while memory allows, and the same rows whatever the parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from resources import months as module
from resources.months import MonthByMonth, PartByPart
from resources.structure import month_bounds

MONTHS = ["2023-11", "2023-12", "2024-01", "2024-02"]


def rows_of(keys: Sequence[str]) -> pl.DataFrame:
    """Two codes on every day of the months."""
    first, last = month_bounds(keys[0])[0], month_bounds(keys[-1])[1]
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return pl.DataFrame({"Date": days}).join(pl.DataFrame({"Code": ["13010", "13050"]}), how="cross")


@pytest.mark.parametrize(
    ("at_once", "parts"),
    [
        (1000, [["2023-11", "2023-12", "2024-01", "2024-02"]]),
        (150, [["2023-11", "2023-12"], ["2024-01", "2024-02"]]),
        (62, [["2023-11"], ["2023-12"], ["2024-01"], ["2024-02"]]),
        (1, [["2023-11"], ["2023-12"], ["2024-01"], ["2024-02"]]),  # a month is never cut
    ],
)
def test_a_part_holds_as_many_months_as_memory_allows(
    at_once: int, parts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", at_once)
    made: list[list[str]] = []

    def make(keys: Sequence[str]) -> pl.DataFrame:
        made.append(list(keys))
        return rows_of(keys)

    table = PartByPart(MONTHS, {key: rows_of([key]).height for key in MONTHS}, make)
    assert isinstance(table, MonthByMonth)
    given = dict(table)
    assert made == parts
    assert list(given) == MONTHS
    for month, rows in given.items():
        assert rows.equals(rows_of([month]))


def test_a_month_without_rows_is_there_and_empty() -> None:
    """A month that the rows do not name is made with its neighbours."""
    table = PartByPart(MONTHS[:2], {"2023-11": 60}, lambda keys: rows_of(["2023-11"]))
    given = dict(table)
    assert given["2023-11"].height == 60
    assert given["2023-12"].is_empty()
    assert given["2023-11"]["Date"].max() == date(2023, 11, 30)
