"""Whatever tokens the wire has, a page is typed by the same few rules, and a CSV is read at once as it is by text."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.api.wire_pages import frame_of_pages
from atft_pipeline.jquants.csv_bytes import csv_rows
from atft_pipeline.jquants.data_files import find_files
from atft_pipeline.jquants.endpoints import DTYPES, ENDPOINTS, REASONS, Endpoint, WireType
from atft_pipeline.jquants.wire import EMPTY, TypedRows, to_typed

UNREADABLE = object()
"""Stands for a value that is null after typing and is counted."""

Token = tuple[object, object]
"""A value of the wire, and what it must become."""

empties: st.SearchStrategy[Token] = st.sampled_from([None, *EMPTY]).map(lambda token: (token, None))
garbage: st.SearchStrategy[Token] = st.one_of(
    st.text("abxyzé /:;[]", min_size=1).filter(lambda text: text not in EMPTY),
    st.sampled_from(["1.2.3", "0x1f", "1,000", "2024-02-30", "2024/01/04", "nan", "inf", "１２", "null"]),
).map(lambda token: (token, UNREADABLE))
objects: st.SearchStrategy[Token] = st.sampled_from([[], [1], {"New": {}}]).map(lambda token: (token, UNREADABLE))

floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**53), 2**53)
numbers: st.SearchStrategy[Token] = st.one_of(
    floats.map(lambda x: (x, x)),
    floats.map(lambda x: (repr(x), x)),
    integers.map(lambda n: (n, float(n))),
    integers.map(lambda n: (str(n), float(n))),
)
flags: st.SearchStrategy[Token] = st.sampled_from([(True, True), (False, False), ("true", True), ("false", False)])
dates: st.SearchStrategy[Token] = st.tuples(
    st.dates(date(1949, 5, 16), date(2100, 12, 31)), st.sampled_from(["%Y-%m-%d", "%Y%m%d"])
).map(lambda drawn: (drawn[0].strftime(drawn[1]), drawn[0]))
texts: st.SearchStrategy[Token] = st.one_of(
    st.sampled_from(["0050", "0111", "011", "1"]), st.text(min_size=2).filter(lambda text: text not in EMPTY)
).map(lambda token: (token, token))
codes: st.SearchStrategy[Token] = st.from_regex(r"[0-9][0-9A-Z][0-9][0-9A-Z]0", fullmatch=True).map(lambda c: (c, c))
sectors: st.SearchStrategy[Token] = st.from_regex(r"[0-9]{1,4}", fullmatch=True).map(lambda s: (s, s.zfill(4)))
inner = st.dictionaries(st.sampled_from(REASONS), st.sampled_from(["0", "1", None]))
reasons: st.SearchStrategy[Token] = st.tuples(inner, st.booleans()).map(
    lambda drawn: (json.dumps(drawn[0]) if drawn[1] else drawn[0], dict.fromkeys(REASONS) | drawn[0])
)

VALID: dict[WireType, st.SearchStrategy[Token]] = {
    "text": texts,
    "code": codes,
    "sector": sectors,
    "number": st.one_of(numbers, objects, flags.map(lambda flag: (flag[0], UNREADABLE))),
    "date": st.one_of(dates, garbage),
    "flag": st.one_of(flags, garbage, objects, integers.map(lambda n: (n, UNREADABLE))),
    "reason": reasons,
}


def endpoint_of(kind: WireType) -> Endpoint:
    """An endpoint with one column of this kind, and a column that no row of the API has."""
    topix = ENDPOINTS["topix"]
    fields = {name: getattr(topix, name) for name in topix.__dataclass_fields__}
    return Endpoint(**fields | {"columns": {"Row": "number", "Value": kind}, "required": ("Row",)})


def tokens_of(kind: WireType) -> st.SearchStrategy[Token]:
    """Whatever may stand in a column of this kind without the column being refused."""
    unreadable = [garbage] if kind in ("number", "date", "flag", "reason") else []
    return st.one_of(empties, VALID[kind], *unreadable)


@pytest.mark.parametrize("kind", DTYPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_page_is_typed_by_the_rules_of_the_wire(kind: WireType, data: st.DataObject) -> None:
    """Valid values are exact, empty ones null, all others null and counted, on whichever page they stand."""
    drawn = data.draw(st.lists(tokens_of(kind), min_size=1, max_size=8))
    rows: list[dict[str, object]] = [{"Row": i, "Value": token} for i, (token, _) in enumerate(drawn)]
    for row in rows:
        if row["Value"] is None and data.draw(st.booleans()):
            del row["Value"]  # a key that is missing and a null are one
    cut = data.draw(st.integers(0, len(rows)))
    bodies = [orjson.dumps({"data": part}) for part in (rows[:cut], rows[cut:])]
    endpoint = endpoint_of(kind)
    typed = to_typed(frame_of_pages(bodies, endpoint), endpoint)
    if not any("Value" in row for row in rows):
        assert typed.frame.columns == ["Row"]
        return
    expected = [None if value is UNREADABLE else value for _, value in drawn]
    values = typed.frame["Value"]
    assert values.dtype == DTYPES[kind]
    assert values.to_list() == expected
    failed = sum(value is UNREADABLE for _, value in drawn)
    assert typed.failed_casts == ({"Value": failed} if failed else {})
    assert values.null_count() == failed + sum(value is None for _, value in drawn)


@given(
    kind=st.sampled_from(["text", "code", "sector", "date"]),
    strings=st.lists(st.sampled_from(["13010", "", None]), max_size=3),
    stray=st.one_of(st.integers(-(10**6), 10**6), floats, st.booleans(), st.just([]), st.just({})),
)
def test_what_is_no_string_is_refused_where_zeros_count(
    kind: WireType, strings: list[str | None], stray: object
) -> None:
    rows = [{"Row": 1, "Value": value} for value in (*strings, stray)]
    with pytest.raises(WireError, match=r"column Value holds .* which is not a string"):
        frame_of_pages([orjson.dumps({"data": rows})], endpoint_of(kind))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), floats, st.text(max_size=5)),
    lambda inside: st.one_of(st.lists(inside, max_size=2), st.dictionaries(st.text(max_size=3), inside, max_size=2)),
    max_leaves=4,
)


@given(values=st.lists(json_values, min_size=1, max_size=6))
def test_an_unlisted_column_is_kept_whatever_it_holds(values: list[object]) -> None:
    endpoint = endpoint_of("text")
    rows = [{"Row": 1, "New": value} for value in values]
    typed = to_typed(frame_of_pages([orjson.dumps({"data": rows})], endpoint), endpoint)
    assert typed.unknown_columns == ("New",)
    assert typed.failed_casts == {}
    kept = typed.frame["New"]
    for value, held in zip(values, kept, strict=True):
        assert (held if isinstance(value, str | None) else json.loads(held)) == value


parts = st.one_of(
    st.text('0123456789+-.eE infNa_",*\r\t\n\x0b\x0c\xa0', max_size=5),
    st.sampled_from(["1e400", "-0.0", " 1", "1 ", "\t1", "infinity", "NaN", "9007199254740993", "4.9e-324", "１"]),
    st.sampled_from(EMPTY),
    floats.map(repr),
)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(parts, parts), min_size=1, max_size=4),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_numbers_read_at_once_are_those_read_by_way_of_text(
    rows: Sequence[tuple[str, str]], *, quoted: bool, end: str
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator=end)
    writer.writerow(["O", "Date", "H", "L", "C", "New"])
    writer.writerows([first, "2024-01-04", second, "", "1", first] for first, second in rows)
    text = stream.getvalue().encode()
    with tempfile.TemporaryDirectory() as where:
        (Path(where) / "indices_bars_daily_topix.csv").write_bytes(text)
        at_once = csv_rows(find_files(Path(where), "topix")[0])
    assert isinstance(at_once, pl.DataFrame)
    _assert_alike(*(to_typed(frame, ENDPOINTS["topix"]) for frame in (at_once, pl.read_csv(text, infer_schema=False))))


def _assert_alike(one: TypedRows, other: TypedRows) -> None:
    assert_frame_equal(one.frame, other.frame, check_exact=True)
    assert one.failed_casts == other.failed_casts
    assert one.unknown_columns == other.unknown_columns


def test_a_file_of_numbers_is_read_at_once_and_any_other_as_text(tmp_path: Path) -> None:
    head = "Date,O,H,L,C,New\n"
    for line, dtype in (
        ("2024-01-04,1,2.5,,1,-", pl.Float64),
        ("2024-01-04,1,-,,1,-", pl.String),
        ("2024-01-04,1,x,,1,-", pl.String),
        ("2024-01-04,1,2.5,,1,a b", pl.String),
    ):
        (tmp_path / "indices_bars_daily_topix.csv").write_text(head + line + "\n")
        rows = csv_rows(find_files(tmp_path, "topix")[0])
        assert isinstance(rows, pl.DataFrame)
        assert rows.schema == {"Date": pl.String, **dict.fromkeys("OHLC", dtype), "New": pl.String}


@given(
    objects=st.lists(st.one_of(st.none(), st.dictionaries(st.sampled_from([*REASONS, "New"]), st.sampled_from("01"))))
)
def test_objects_may_lack_reasons_or_add_some_in_a_file_as_on_a_page(objects: list[dict[str, str] | None]) -> None:
    endpoint = endpoint_of("reason")
    fields = dict.fromkeys(key for value in objects for key in value or {}) or {"New": None}
    as_objects = pl.Series("Value", objects, dtype=pl.Struct(dict.fromkeys(fields, pl.String)))
    as_text = pl.Series("Value", [value if value is None else json.dumps(value) for value in objects], dtype=pl.String)
    expected = [value if value is None else {key: value.get(key) for key in REASONS} for value in objects]
    for values in (as_objects, as_text):
        typed = to_typed(values.to_frame().with_columns(Row=1.0), endpoint)
        assert typed.frame["Value"].to_list() == expected
        assert typed.failed_casts == {}
