"""Metadata that people look at: a figure or the first rows of a table on an asset's page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(figure: Figure) -> dg.MarkdownMetadataValue:
    """The figure as PNG inside the metadata itself, so that the page needs no file and no request."""
    from atft_pipeline.drawing import to_png

    encoded = base64.b64encode(to_png(figure)).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")


def table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """All rows and columns of a small table."""
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=60_000,
        fmt_str_lengths=80,
        float_precision=4,
        thousands_separator=",",
    ):
        return dg.MetadataValue.md(str(frame))
