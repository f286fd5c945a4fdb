"""Rows are the same typed rows whatever the files' form and however they are split by date."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.files import FilesSource
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from tests.unit.jquants.folders import checked_rows, write
from tests.unit.jquants.markets import SMALL

WHOLE = (date(2021, 11, 1), date(2022, 6, 30))
SPLITS = {"none": 0, "year": 4, "month": 7, "day": 10}
FORMS = ("parquet", "csv", "csv.gz")
NAMES = ("daily_bars", "equities_master", "topix", "short_ratio", "margin_interest", "margin_alert")


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    split=st.sampled_from(list(SPLITS)),
    forms=st.lists(st.tuples(st.sampled_from(FORMS), st.booleans()), min_size=1, max_size=4),
    nested=st.booleans(),
)
def test_form_and_split_change_nothing(name: str, split: str, forms: list[tuple[str, bool]], *, nested: bool) -> None:
    """Each file in the next of `forms`: text, zipped text or Parquet, in wire form or typed."""
    endpoint, source = ENDPOINTS[name], SimulatedSource(SMALL)
    wire = source.fetch(name, *WHOLE)
    expected = to_typed(wire, endpoint).frame
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        for needed in {"daily_bars", "equities_master"} - {name}:
            write(folder, needed, source.fetch(needed, WHOLE[1], WHOLE[1]))
        day = pl.col(endpoint.date_column).str.head(SPLITS[split])
        parts = wire.group_by(day, maintain_order=True) if SPLITS[split] else [(("",), wire)]
        for i, ((label,), rows) in enumerate(parts):
            form, is_typed = forms[i % len(forms)]
            part = to_typed(rows, endpoint).frame if is_typed and form == "parquet" else rows
            inside = folder / str(label)[:4] if nested else folder
            write(inside, name, part, f"_{label}".replace("-", "") if label else "", form)
        read = checked_rows(FilesSource(folder), name, *WHOLE)
    assert read.findings.problems == ()
    key = [column for column in endpoint.key if column in expected.columns]
    assert_frame_equal(read.typed.frame.sort(key), expected.sort(key), check_exact=True)
