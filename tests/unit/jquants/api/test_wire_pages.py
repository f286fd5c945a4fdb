"""Pages of the API become one frame, whatever form the values have, and what cannot be read is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import orjson
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.api.wire_pages import EXACT, frame_of_pages
from atft_pipeline.jquants.endpoints import ENDPOINTS, REASONS
from atft_pipeline.jquants.wire import TypedRows, to_typed

TOPIX = ENDPOINTS["topix"]
BARS = ENDPOINTS["daily_bars"]
MASTER = ENDPOINTS["equities_master"]
ALERT = ENDPOINTS["margin_alert"]
FINS = ENDPOINTS["financial_summaries"]

Row = Mapping[str, object]
PRICES: Row = {"Date": "2024-01-04", "O": 1.5, "H": 2, "L": 1.0, "C": 1.5}
LISTED: Row = {"Date": "2024-01-04", "Code": "13010", "S17": "1", "S33": "0050"}
ALERTED: Row = {
    "PubDate": "2024-01-05",
    "Code": "13010",
    "AppDate": "2024-01-04",
    "PubReason": dict.fromkeys(REASONS, "0"),
    "ShrtOut": 100,
    "LongOut": 200,
}


def page(*rows: Row) -> bytes:
    return orjson.dumps({"data": rows, "pagination_key": "next"})


def typed_prices(*changed: Row) -> TypedRows:
    return to_typed(frame_of_pages([page(*({**PRICES, **change} for change in changed))], TOPIX), TOPIX)


def typed_reason(reason: object) -> TypedRows:
    return to_typed(frame_of_pages([page({**ALERTED, "PubReason": reason})], ALERT), ALERT)


def typed_unknown(*values: object) -> pl.Series:
    """What an unlisted column `New` with these values becomes."""
    typed = typed_prices(*({"New": value} for value in values))
    assert typed.unknown_columns == ("New",)
    return typed.frame["New"]


def test_bars_with_a_day_without_trade() -> None:
    silent = dict.fromkeys(["O", "H", "L", "C", "Vo", "Va"])
    rows = [
        {"Date": "2024-01-04", "Code": "13010", "O": 1, "H": 2.5, "L": 1, "C": 2, "UL": "0", "Vo": 100, "Va": 2e2},
        {"Date": "2024-01-04", "Code": "130A0", **silent, "UL": "0"},
    ]
    typed = to_typed(frame_of_pages([page(*(row | {"AdjFactor": 1.0} for row in rows))], BARS), BARS)
    expected = {"Date": [date(2024, 1, 4)] * 2, "Code": ["13010", "130A0"], "O": [1.0, None], "H": [2.5, None]}
    expected |= {"L": [1.0, None], "C": [2.0, None], "UL": ["0", "0"], "Vo": [100.0, None], "Va": [200.0, None]}
    assert_frame_equal(typed.frame, pl.DataFrame(expected | {"AdjFactor": [1.0, 1.0]}))
    assert (typed.failed_casts, typed.unknown_columns) == ({}, ())


def test_several_pages_are_one_frame_in_order() -> None:
    pages = [page({**PRICES, "C": 1}, {**PRICES, "C": 2}), page(), page({**PRICES, "C": 3})]
    assert frame_of_pages(pages, TOPIX)["C"].to_list() == [1.0, 2.0, 3.0]


def test_a_column_that_comes_or_goes_between_pages_is_null_where_it_is_missing() -> None:
    pages = [page({**PRICES, "Old": "a"}), page({**PRICES, "New": 7})]
    typed = to_typed(frame_of_pages(pages, TOPIX), TOPIX)
    assert typed.frame.select("Old", "New").rows() == [("a", None), (None, "7")]
    assert typed.unknown_columns == ("Old", "New")


def test_rows_may_lack_keys_and_have_them_in_any_order() -> None:
    short = {"C": 3, "Date": "2024-01-05", "O": 2}
    typed = to_typed(frame_of_pages([page(PRICES, short)], TOPIX), TOPIX)
    assert typed.frame.row(1) == (date(2024, 1, 5), 2.0, None, None, 3.0)
    assert typed.failed_casts == {}


def test_numbers_may_be_text_and_text_numbers_may_be_numbers() -> None:
    typed = typed_prices({"O": "1.5"}, {"O": 2.25}, {"O": "1e3"}, {"O": None})
    assert typed.frame["O"].to_list() == [1.5, 2.25, 1000.0, None]
    statement = dict.fromkeys(FINS.columns, "") | {"DiscDate": "2024-01-05", "Sales": 100529000000, "EPS": "66.76"}
    fins = to_typed(frame_of_pages([page(statement)], FINS), FINS)
    assert fins.frame.select("Sales", "EPS", "NP").row(0) == (100529000000.0, 66.76, None)
    assert fins.failed_casts == {}


def test_yen_totals_are_exact() -> None:
    assert typed_prices({"O": EXACT}, {"O": str(EXACT)}, {"O": "-"}).frame["O"].to_list() == [EXACT, EXACT, None]
    assert typed_prices({"O": 1238224000000}).frame["O"].to_list() == [1238224000000]


@pytest.mark.parametrize("stray", ["n/a", True, {"a": 1}, [1.0]])
def test_what_is_no_number_is_null_and_counted(stray: object) -> None:
    besides: list[tuple[list[object], list[float | None]]] = [
        ([], []),
        ([2.5], [2.5]),
        (["2.5"], [2.5]),
        (["-", 0.1], [None, 0.1]),
    ]
    for beside, read in besides:
        typed = typed_prices(*({"O": value} for value in (stray, *beside)))
        assert typed.failed_casts == {"O": 1}
        assert typed.frame["O"].to_list() == [None, *read]


def test_empty_tokens_beside_numbers_are_null_and_not_counted() -> None:
    rows = [{**ALERTED, "ShrtOutChg": change, "ShrtOutRatio": ratio} for change, ratio in (("-", "*"), (-5, 0.25))]
    typed = to_typed(frame_of_pages([page(*rows)], ALERT), ALERT)
    assert typed.frame.select("ShrtOutChg", "ShrtOutRatio").rows() == [(None, None), (-5.0, 0.25)]
    assert typed.failed_casts == {}


def test_flags_are_text_or_booleans_or_both() -> None:
    statement = dict.fromkeys(FINS.columns, "") | {"DiscDate": "2024-01-05"}
    for flags in (["true", "false", ""], [True, False, None], [True, "false", ""]):
        rows = [statement | {"MatChgSub": flag} for flag in flags]
        typed = to_typed(frame_of_pages([page(*rows)], FINS), FINS)
        assert typed.frame["MatChgSub"].to_list() == [True, False, None]
        assert typed.failed_casts == {}


def test_a_reason_without_all_its_keys() -> None:
    typed = typed_reason({"Monitoring": "1", "Restricted": 0})
    expected = dict.fromkeys(REASONS) | {"Monitoring": "1", "Restricted": "0"}
    assert typed.frame["PubReason"].to_list() == [expected]


def test_an_added_reason_is_a_column_that_is_reported() -> None:
    rows = [ALERTED, {**ALERTED, "PubReason": dict.fromkeys(REASONS, "0") | {"Halted": "1"}}]
    typed = to_typed(frame_of_pages([page(*rows)], ALERT), ALERT)
    assert typed.unknown_columns == ("PubReason.Halted",)
    assert typed.frame["PubReason.Halted"].to_list() == [None, "1"]
    assert typed.frame["PubReason"].to_list() == [dict.fromkeys(REASONS, "0")] * 2


@pytest.mark.parametrize(("reason", "failed"), [("", 0), (None, 0), ("Monitoring", 1), ("[1]", 1), (7, 1), ([], 1)])
def test_a_reason_that_is_no_object(reason: object, failed: int) -> None:
    typed = typed_reason(reason)
    assert typed.frame["PubReason"].to_list() == [None]
    assert typed.failed_casts == ({"PubReason": 1} if failed else {})


def test_codes_keep_their_zeros() -> None:
    typed = to_typed(frame_of_pages([page({**LISTED, "Mkt": "0111", "ProdCat": "011"})], MASTER), MASTER)
    assert typed.frame.select("S33", "Mkt", "ProdCat").row(0) == ("0050", "0111", "011")


@pytest.mark.parametrize(
    ("column", "value"), [("Code", 13010), ("S33", 50), ("Mkt", 111), ("Date", 20240104), ("CoName", True)]
)
def test_a_number_where_a_string_belongs_is_refused(column: str, value: object) -> None:
    with pytest.raises(WireError, match=rf"column {column} holds {str(value).lower()}, which is not a string"):
        frame_of_pages([page(LISTED, {**LISTED, column: value})], MASTER)


def test_a_code_of_four_characters_is_refused_by_the_types() -> None:
    frame = frame_of_pages([page({**LISTED, "Code": "1301"})], MASTER)
    assert frame["Code"].to_list() == ["1301"]
    with pytest.raises(WireError, match="four characters long"):
        to_typed(frame, MASTER)


def test_an_unlisted_column_becomes_text() -> None:
    assert typed_unknown("0050", None).to_list() == ["0050", None]
    assert typed_unknown("-", "").to_list() == ["-", ""]
    assert typed_unknown(1, 2.5, None).to_list() == ["1", "2.5", None]
    assert typed_unknown(True, None).to_list() == ["true", None]
    assert typed_unknown(None).dtype == pl.String
    assert typed_unknown(1, "-", 0.1, True, None).to_list() == ["1", "-", "0.1", "true", None]
    assert typed_unknown({"a": [1, "b"]}, []).to_list() == ['{"a":[1,"b"]}', "[]"]
    assert typed_unknown(EXACT, 1).to_list() == [f"{EXACT:.0f}", "1"]
    assert typed_unknown(EXACT + 1, 1).to_list() == [str(EXACT + 1), "1"]


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("bodies", [[], [b'{"data": []}'], [b'{"data":[],"pagination_key":""}', b'{"data":[]}']])
def test_no_rows_have_the_required_columns(name: str, bodies: list[bytes]) -> None:
    endpoint = ENDPOINTS[name]
    typed = to_typed(frame_of_pages(bodies, endpoint), endpoint)
    in_order = [column for column in endpoint.columns if column in endpoint.required]
    assert typed.frame.schema == {column: endpoint.schema[column] for column in in_order}
    assert typed.frame.height == 0


def test_a_page_without_a_required_column() -> None:
    without = {column: value for column, value in PRICES.items() if column != "C"}
    with pytest.raises(WireError, match=r"topix.*required column C is missing"):
        to_typed(frame_of_pages([page(without, without)], TOPIX), TOPIX)
    with pytest.raises(WireError, match=r"Date, O, H, L, C is missing; the rows have no columns"):
        to_typed(frame_of_pages([page({})], TOPIX), TOPIX)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (page(PRICES)[:-20], "page 2 of the answer is not JSON"),
        (b"", "page 2 of the answer is not JSON"),
        (b'{"message": "?"}', 'page 2 of the answer has no list of objects under "data"'),
        (b'{"data": {"Date": 1}}', "has no list of objects"),
        (b'{"data": [1, null]}', "has no list of objects"),
        (b'{"data": [null]}', "has no list of objects"),
        (b"[]", "has no list of objects"),
    ],
)
def test_a_page_that_is_none_is_named(body: bytes, says: str) -> None:
    with pytest.raises(WireError, match=says) as caught:
        frame_of_pages([page(PRICES), body], TOPIX)
    assert "Fetch it again" in caught.value.remedy
