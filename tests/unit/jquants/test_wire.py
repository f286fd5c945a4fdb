"""Wire forms become types, and what cannot be read is told."""

from __future__ import annotations

import json
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.endpoints import ENDPOINTS, REASONS
from atft_pipeline.jquants.wire import EMPTY, to_typed

TOPIX = ENDPOINTS["topix"]
BARS = ENDPOINTS["daily_bars"]
ALERT = ENDPOINTS["margin_alert"]


def topix_rows(**changed: object) -> pl.DataFrame:
    return pl.DataFrame({"Date": ["2024-01-04"], "O": ["1.5"], "H": ["2"], "L": ["1"], "C": ["1.5"]} | changed)


def test_text_numbers_and_both_spellings_of_a_date() -> None:
    rows = pl.DataFrame(
        {"Date": ["2024-01-04", "20240105"], "O": ["1.5", ""], "H": ["2", "-"], "L": ["-1e3", "*"], "C": ["1", "0"]}
    )
    typed = to_typed(rows, TOPIX)
    expected = pl.DataFrame(
        {
            "Date": [date(2024, 1, 4), date(2024, 1, 5)],
            "O": [1.5, None],
            "H": [2.0, None],
            "L": [-1000.0, None],
            "C": [1.0, 0.0],
        }
    )
    assert_frame_equal(typed.frame, expected)
    assert typed.failed_casts == {}
    assert typed.unknown_columns == ()


def test_unreadable_values_become_null_and_are_counted() -> None:
    rows = pl.DataFrame(
        {
            "Date": ["2024-02-30", "2024-01-05", "5 Jan"],
            "O": ["1", "x", "nan"],
            "H": ["1", "", "inf"],
            "L": ["1", "1", "1"],
            "C": ["1", "1", "1"],
        }
    )
    typed = to_typed(rows, TOPIX)
    assert typed.failed_casts == {"Date": 2, "O": 2, "H": 1}
    assert typed.frame["Date"].to_list() == [None, date(2024, 1, 5), None]
    assert typed.frame["O"].to_list() == [1.0, None, None]


def test_typed_rows_pass_through_unchanged() -> None:
    rows = pl.DataFrame(
        {"Date": [date(2024, 1, 4)], "Code": ["00500"], "O": [None], "H": [None], "L": [None], "C": [None]}
        | {"Vo": [None], "Va": [None], "AdjFactor": [1.0]},
        schema={
            "Date": pl.Date,
            "Code": pl.String,
            **dict.fromkeys(["O", "H", "L", "C", "Vo", "Va", "AdjFactor"], pl.Float64),
        },
    )
    once = to_typed(rows, BARS).frame
    assert_frame_equal(once, rows)
    assert_frame_equal(to_typed(once, BARS).frame, once)


def test_columns_come_in_the_endpoints_order_and_unknown_ones_last() -> None:
    rows = topix_rows(NewThing=["?"]).select("NewThing", "C", "L", "H", "O", "Date")
    typed = to_typed(rows, TOPIX)
    assert typed.frame.columns == ["Date", "O", "H", "L", "C", "NewThing"]
    assert typed.unknown_columns == ("NewThing",)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([None, None], [None, None]),
        (["-", ""], ["-", ""]),
        ([7, None], ["7", None]),
        ([7.0, 0.1], ["7", "0.1"]),
        ([1e300, -0.25], ["1e+300", "-0.25"]),
        ([True, False], ["true", "false"]),
        ([date(2024, 1, 4), None], ["2024-01-04", None]),
        ([[1, None], []], ["[1,null]", "[]"]),
        ([{"a": "x"}, None], ['{"a":"x"}', None]),
        ([b"\xff", None], ["\"b'\\\\xff'\"", None]),
        ([timedelta(days=2), None], ['"2 days, 0:00:00"', None]),
    ],
)
def test_an_unknown_column_is_text_whatever_it_held(values: list[object], text: list[str | None]) -> None:
    rows = pl.concat([topix_rows(), topix_rows()]).with_columns(New=pl.Series(values))
    typed = to_typed(rows, TOPIX)
    assert typed.frame["New"].dtype == pl.String
    assert typed.frame["New"].to_list() == text
    assert_frame_equal(to_typed(typed.frame, TOPIX).frame, typed.frame)


def test_codes_and_sectors_keep_their_zeros() -> None:
    rows = pl.DataFrame({"Date": ["2024-01-04"] * 2, "Code": ["13010", "130A0"], "S17": ["1", "-"], "S33": ["50", "-"]})
    typed = to_typed(rows, ENDPOINTS["equities_master"]).frame
    assert typed["S33"].to_list() == ["0050", None]
    assert typed["S17"].to_list() == ["1", None]
    assert typed["Code"].to_list() == ["13010", "130A0"]


def test_flags_of_statements() -> None:
    columns = {column: [""] * 3 for column in ENDPOINTS["financial_summaries"].columns}
    typed = to_typed(pl.DataFrame(columns | {"MatChgSub": ["true", "false", ""]}), ENDPOINTS["financial_summaries"])
    assert typed.frame["MatChgSub"].to_list() == [True, False, None]
    assert typed.failed_casts == {}


@pytest.mark.parametrize("as_text", [False, True])
def test_the_reason_of_an_alert(as_text: bool) -> None:
    reason = dict.fromkeys(REASONS, "0") | {"Monitoring": "1"}
    rows = pl.DataFrame(
        {
            "PubDate": ["2024-01-05"],
            "Code": ["13010"],
            "AppDate": ["2024-01-04"],
            "PubReason": [json.dumps(reason) if as_text else reason],
            "ShrtOut": ["100"],
            "ShrtOutChg": ["-"],
            "ShrtOutRatio": ["*"],
            "LongOut": ["200"],
        }
    )
    typed = to_typed(rows, ALERT)
    assert typed.frame["PubReason"].to_list() == [reason]
    assert typed.frame.select("ShrtOutChg", "ShrtOutRatio").row(0) == (None, None)
    assert typed.failed_casts == {}


def test_a_missing_required_column_is_named() -> None:
    with pytest.raises(WireError, match=r"topix.*column C is missing") as caught:
        to_typed(topix_rows().drop("C"), TOPIX)
    assert "Date, O, H, L, C" in caught.value.remedy


@pytest.mark.parametrize(
    ("code", "message"), [([13010], "type Int64"), (["1301"], "four characters long"), (["130A"], "'130A'")]
)
def test_codes_that_lost_something_are_refused(code: list[object], message: str) -> None:
    rows = pl.DataFrame({"Date": ["2024-01-04"], "Code": code, "S17": ["1"], "S33": ["0050"]})
    with pytest.raises(WireError, match=message):
        to_typed(rows, ENDPOINTS["equities_master"])


def test_numbers_where_text_or_dates_belong_are_refused() -> None:
    with pytest.raises(WireError, match="S33 has type Int64"):
        to_typed(
            pl.DataFrame({"Date": ["2024-01-04"], "Code": ["13010"], "S17": ["1"], "S33": [50]}),
            ENDPOINTS["equities_master"],
        )
    with pytest.raises(WireError, match="Date has type Int64"):
        to_typed(topix_rows(Date=[20240104]), TOPIX)


def test_no_rows_keep_their_types() -> None:
    typed = to_typed(topix_rows().clear(), TOPIX)
    assert typed.frame.schema == TOPIX.schema
    assert typed.failed_casts == {}


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.one_of(numbers.map(repr), st.integers(-(10**15), 10**15).map(str), st.sampled_from(EMPTY)), min_size=1)
)
def test_a_number_is_read_as_python_reads_it(tokens: list[str]) -> None:
    rows = pl.DataFrame({"Date": ["2024-01-04"] * len(tokens), "O": tokens}).with_columns(
        pl.lit(1.0).alias(column) for column in "HLC"
    )
    typed = to_typed(rows, TOPIX)
    assert typed.frame["O"].to_list() == [None if token in EMPTY else float(token) for token in tokens]
    assert typed.failed_casts == {}


@given(
    st.lists(st.one_of(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.text(max_size=9)), min_size=1), st.booleans()
)
def test_a_date_is_read_or_counted(days: list[date | str], dashes: bool) -> None:
    form = "%Y-%m-%d" if dashes else "%Y%m%d"
    tokens = [day.strftime(form) if isinstance(day, date) else f"x{day}" for day in days]
    typed = to_typed(pl.DataFrame({"Date": tokens}).with_columns(pl.lit(1.0).alias(column) for column in "OHLC"), TOPIX)
    assert typed.frame["Date"].to_list() == [day if isinstance(day, date) else None for day in days]
    assert typed.failed_casts.get("Date", 0) == sum(not isinstance(day, date) for day in days)
