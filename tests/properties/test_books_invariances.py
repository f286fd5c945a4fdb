"""What must not change margin balances and figures of statements: the future, the chunk, order, codes, a split."""

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

COLUMNS = {name: CONTRACT.select([name]) for name in ("margin", "statements")}
FEW = settings(max_examples=4, deadline=None, derandomize=True)
EVENTS = {
    "margin": (("margin_alert", "PubDate"), ("margin_interest", "PubDate"), ("margin_interest", "Date")),
    "statements": (("financial_summaries", "DiscDate"),),
}
CONTROL_AT = {"margin": 250, "statements": N_SESSIONS - 200}
"""Sessions before which everything is changed for the control."""

each_family = pytest.mark.parametrize("family", list(COLUMNS))


def position(day: date) -> int:
    """Place of a session of the rough market, or of the last one before the day."""
    return max(int(np.searchsorted(np.array(rough_market().sessions), np.datetime64(day), side="right")) - 1, 0)


def days_with_events(family: str) -> list[int]:
    """Sessions on which something of the family's tables is published, by place."""
    found: set[int] = set()
    for table, day in EVENTS[family]:
        found |= {position(value) for value in rough_market().tables[table][day].drop_nulls().unique()}
    return sorted(t for t in found if 40 <= t < N_SESSIONS - 45)


@FEW
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@each_family
@pytest.mark.parametrize("change", CHANGES)
def test_the_future_changes_no_bit_of_the_past(family: str, change: str, data: st.DataObject, seed: int) -> None:
    """Change, shuffle or delete every row that is published after the close of t, and bars after t."""
    t = data.draw(st.sampled_from(days_with_events(family)) | st.integers(40, N_SESSIONS - 45))
    assert_blind(family, t, CHANGES[change], np.random.default_rng(seed))


@each_family
@pytest.mark.parametrize("back", [0, 1])
def test_the_future_is_dark_on_the_day_and_the_day_before(family: str, back: int) -> None:
    """The boundary itself: on days of publication, and the session before."""
    days = days_with_events(family)
    for t in days[:: max(len(days) // 6, 1)]:
        assert_blind(family, t - back, CHANGES["deleted"], np.random.default_rng(t))
        assert_blind(family, t - back, CHANGES["changed"], np.random.default_rng(t))


@each_family
def test_the_control_sees_the_future(family: str) -> None:
    """The same changes do change later rows, in every column: else the proof could not fail."""
    seen = columns_that_see(family, CONTROL_AT[family], np.random.default_rng(3))
    assert set(COLUMNS[family].names) - seen == set()


@each_family
@pytest.mark.parametrize("length", [1, 20, 33])
def test_month_by_month_equals_the_whole_history(family: str, length: int) -> None:
    """With exactly the contract's warm-up, of the tables too: 1e-6 relative, nulls at the same places."""
    starts = (0, 100, 300, 640, 700, 719) if length == 1 else (*range(COLUMNS[family].warmup, N_SESSIONS, length), 90)
    for first in starts:
        assert_chunk_is_whole(family, first, min(first + length, N_SESSIONS) - 1)


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family, part in COLUMNS.items() for name in part.names]
)
def test_each_column_keeps_its_own_warmup(family: str, name: str) -> None:
    """Rows of days further back change nothing."""
    assert_own_warmup(family, name)


@FEW
@given(seed=st.integers(0, 2**31 - 1))
@each_family
def test_order_of_rows_changes_no_byte(family: str, seed: int) -> None:
    """Every table permuted: the same file."""
    assert as_bytes(features(family, 600, 640, **in_another_order(seed))) == as_bytes(features(family, 600, 640))


@each_family
def test_codes_are_names_only(family: str) -> None:
    """Every stock under another one's code: its values go with it."""
    tables, new = under_other_codes()
    renamed = features(family, 600, 640).with_columns(pl.col("Code").replace(new)).sort("Date", "Code")
    assert_close(features(family, 600, 640, **tables), renamed, "renamed", rtol=0)


@FEW
@given(t=st.integers(100, N_SESSIONS - 1), factor=st.sampled_from([0.5, 0.2, 1 / 3, 10.0]))
@each_family
def test_a_split_changes_nothing_beyond_rounding(family: str, t: int, factor: float) -> None:
    """Balances, per-share figures and prices before the ex-date in other shares, and the factor on it."""
    true = features(family, 600, N_SESSIONS - 1)
    assert_close(features(family, 600, N_SESSIONS - 1, **split_all(t, factor)), true, f"split on {t}", rtol=1e-5)


@each_family
def test_ranges_hold_on_untidy_books(family: str) -> None:
    """Whatever the rows say, a value is in its range or null, and no column is null throughout."""
    frame = features(family, 0, N_SESSIONS - 1)
    assert [
        problem for problem in frame_problems(frame.lazy(), COLUMNS[family]) if problem.rule in ("range", "dtype")
    ] == []
    assert [name for name in COLUMNS[family].names if frame[name].null_count() == frame.height] == []


@each_family
def test_no_members_and_no_sessions_give_an_empty_table(family: str) -> None:
    """The columns, no rows."""
    nobody = rough_market().universe.with_columns(in_universe=pl.lit(value=False))
    frame = features(family, 300, 310, universe=nobody)
    assert (frame.height, frame.columns) == (0, ["Date", "Code", *COLUMNS[family].names])
