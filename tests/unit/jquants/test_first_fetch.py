"""A row keeps the time at which its present values first came."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.jquants.first_fetch import stamp_first_fetch

MONDAY, TUESDAY = datetime(2024, 5, 13, 10, 30, tzinfo=UTC), datetime(2024, 5, 14, 10, 30, tzinfo=UTC)


def rows(**close: float | None) -> pl.DataFrame:
    return pl.DataFrame({"Code": list(close), "C": list(close.values())}, schema={"Code": pl.String, "C": pl.Float64})


def times(frame: pl.DataFrame) -> dict[str, datetime]:
    return dict(frame.select("Code", "fetched_at").iter_rows())


def test_a_first_fetch_stamps_every_row() -> None:
    assert times(stamp_first_fetch(rows(a=1.0, b=2.0), None, MONDAY)) == {"a": MONDAY, "b": MONDAY}


def test_unchanged_rows_keep_their_time_and_revised_or_new_ones_get_the_present() -> None:
    held = stamp_first_fetch(rows(a=1.0, b=2.0, gone=9.0), None, MONDAY)
    again = stamp_first_fetch(rows(new=3.0, b=2.5, a=1.0), held, TUESDAY)
    assert times(again) == {"a": MONDAY, "b": TUESDAY, "new": TUESDAY}
    assert again["Code"].to_list() == ["new", "b", "a"]


def test_a_null_is_the_same_null_and_a_value_that_filled_in_is_a_revision() -> None:
    held = stamp_first_fetch(rows(a=None, b=None), None, MONDAY)
    assert times(stamp_first_fetch(rows(a=None, b=1.0), held, TUESDAY)) == {"a": MONDAY, "b": TUESDAY}


def test_a_value_that_comes_back_was_first_seen_when_it_came_back() -> None:
    held = stamp_first_fetch(rows(a=1.0), None, MONDAY)
    revised = stamp_first_fetch(rows(a=2.0), held, TUESDAY)
    wednesday = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)
    assert times(stamp_first_fetch(rows(a=1.0), revised, wednesday)) == {"a": wednesday}


values = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([None, 0.0, 1.0]))


@settings(deadline=None)
@given(values, st.permutations(["a", "b", "c", "d", "e", "f", "g", "h"]), values, st.data())
def test_where_a_row_stands_does_not_matter(
    before: dict[str, float | None], order: list[str], changed: dict[str, float | None], data: st.DataObject
) -> None:
    since = {code: data.draw(st.sampled_from([MONDAY, TUESDAY])) for code in before}
    held = rows(**before).with_columns(fetched_at=pl.Series(list(since.values()), dtype=pl.Datetime("us", "UTC")))
    untouched = held.clone()
    after = {code: changed.get(code, before.get(code)) for code in order if code in before or code in changed}
    wednesday = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)
    again = stamp_first_fetch(rows(**after), held, wednesday)
    expected = {
        code: since[code] if code in before and before[code] == value else wednesday for code, value in after.items()
    }
    assert times(again) == expected
    assert again["Code"].to_list() == list(after)
    assert_frame_equal(held, untouched)


def test_repeated_rows_stay_repeated_for_the_check_that_refuses_them() -> None:
    twice = pl.concat([rows(a=1.0), rows(a=1.0)])
    held = stamp_first_fetch(twice, None, MONDAY)
    assert stamp_first_fetch(twice, held, TUESDAY)["fetched_at"].to_list() == [MONDAY, MONDAY]


@pytest.mark.parametrize("held", [rows(a=1.0).cast({"C": pl.Float32}), rows(a=1.0).rename({"C": "Close"})])
def test_other_columns_or_types_cannot_be_compared(held: pl.DataFrame) -> None:
    before = held.with_columns(fetched_at=pl.lit(MONDAY).dt.cast_time_unit("us"))
    assert times(stamp_first_fetch(rows(a=1.0), before, TUESDAY)) == {"a": TUESDAY}
