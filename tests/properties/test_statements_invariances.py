"""What must not change the figures of statements: the future, the chunk, the order of rows, codes, a split."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.features.schema import frame_problems
from tests.rough_books import (
    CHANGES,
    N_SESSIONS,
    as_bytes,
    assert_blind,
    assert_chunk_is_whole,
    assert_close,
    assert_own_warmup,
    columns_that_see,
    features,
    in_another_order,
    rough_market,
    split_all,
    under_other_codes,
)

FAMILY = "statements"
COLUMNS = CONTRACT.select([FAMILY])
FEW = settings(max_examples=4, deadline=None, derandomize=True)
EVENTS = (("financial_summaries", "DiscDate"),)


def position(day: date) -> int:
    """Place of a session of the rough market, or of the last one before the day."""
    return max(int(np.searchsorted(np.array(rough_market().sessions), np.datetime64(day), side="right")) - 1, 0)


def days_with_events() -> list[int]:
    """Sessions on which something of the family's tables is published, by place."""
    found: set[int] = set()
    for table, day in EVENTS:
        found |= {position(value) for value in rough_market().tables[table][day].drop_nulls().unique()}
    return sorted(t for t in found if 40 <= t < N_SESSIONS - 45)


@FEW
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("change", CHANGES)
def test_the_future_changes_no_bit_of_the_past(change: str, data: st.DataObject, seed: int) -> None:
    """Change, shuffle or delete every row that is published after the close of t, and bars after t."""
    t = data.draw(st.sampled_from(days_with_events()) | st.integers(40, N_SESSIONS - 45))
    assert_blind(FAMILY, t, CHANGES[change], np.random.default_rng(seed))


@pytest.mark.parametrize("back", [0, 1])
def test_the_future_is_dark_on_the_day_and_the_day_before(back: int) -> None:
    """The boundary itself: on days of publication, and the session before."""
    days = days_with_events()
    for t in days[:: max(len(days) // 6, 1)]:
        assert_blind(FAMILY, t - back, CHANGES["deleted"], np.random.default_rng(t))
        assert_blind(FAMILY, t - back, CHANGES["changed"], np.random.default_rng(t))


def test_the_control_sees_the_future() -> None:
    """The same changes do change later rows, in every column: else the proof could not fail."""
    assert set(COLUMNS.names) - columns_that_see(FAMILY, N_SESSIONS - 200, np.random.default_rng(3)) == set()


@pytest.mark.parametrize("length", [1, 20, 33])
def test_month_by_month_equals_the_whole_history(length: int) -> None:
    """With exactly the contract's warm-up, of the tables too: 1e-6 relative, nulls at the same places."""
    starts = (0, 100, 300, 640, 700, 719) if length == 1 else (*range(COLUMNS.warmup, N_SESSIONS, length), 90)
    for first in starts:
        assert_chunk_is_whole(FAMILY, first, min(first + length, N_SESSIONS) - 1)


@pytest.mark.parametrize("name", COLUMNS.names)
def test_each_column_keeps_its_own_warmup(name: str) -> None:
    """Rows of days further back change nothing."""
    assert_own_warmup(FAMILY, name)


@FEW
@given(seed=st.integers(0, 2**31 - 1))
def test_order_of_rows_changes_no_byte(seed: int) -> None:
    """Every table permuted: the same file."""
    assert as_bytes(features(FAMILY, 600, 640, **in_another_order(seed))) == as_bytes(features(FAMILY, 600, 640))


def test_codes_are_names_only() -> None:
    """Every stock under another one's code: its values go with it."""
    tables, new = under_other_codes()
    renamed = features(FAMILY, 600, 640).with_columns(pl.col("Code").replace(new)).sort("Date", "Code")
    assert_close(features(FAMILY, 600, 640, **tables), renamed, "renamed", rtol=0)


@FEW
@given(t=st.integers(100, N_SESSIONS - 1), factor=st.sampled_from([0.5, 0.2, 1 / 3, 10.0]))
def test_a_split_changes_nothing_beyond_rounding(t: int, factor: float) -> None:
    """Balances, per-share figures and prices before the ex-date in other shares, and the factor on it."""
    true = features(FAMILY, 600, N_SESSIONS - 1)
    assert_close(features(FAMILY, 600, N_SESSIONS - 1, **split_all(t, factor)), true, f"split on {t}", rtol=1e-5)


def test_ranges_hold_on_untidy_books() -> None:
    """Whatever the rows say, a value is in its range or null, and no column is null throughout."""
    frame = features(FAMILY, 0, N_SESSIONS - 1)
    assert [problem for problem in frame_problems(frame.lazy(), COLUMNS) if problem.rule in ("range", "dtype")] == []
    assert [name for name in COLUMNS.names if frame[name].null_count() == frame.height] == []


def test_no_members_and_no_sessions_give_an_empty_table() -> None:
    """The columns, no rows."""
    nobody = rough_market().universe.with_columns(in_universe=pl.lit(value=False))
    frame = features(FAMILY, 300, 310, universe=nobody)
    assert (frame.height, frame.columns) == (0, ["Date", "Code", *COLUMNS.names])
