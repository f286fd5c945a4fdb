"""Rows that tell of a day, by their place in the panel: the session they speak of, and its share basis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from atft_pipeline.features.panel import Panel


def read_rows(panel: Panel, table: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a raw table for the panel's stocks; a column that the source leaves out is null throughout."""
    rows = panel.tables[table]
    there = set(rows.collect_schema().names())
    chosen = [pl.col(name) if name in there else pl.lit(None).alias(name) for name in columns]
    return rows.filter(pl.col("Code").is_in(list(panel.codes))).select(chosen).collect()


def place(rows: pl.DataFrame, panel: Panel, day: str) -> pl.DataFrame:
    """Rows with `at`, the panel's place of the last session at or before `day`, and `basis`, the share basis there.

    `basis` is the product of the AdjFactors up to `at`: a price or a figure per share over it, and a number of shares
    times it, are on one basis whatever the day. Rows without `day`, or of a day before the panel's first session, are
    left out.

    Args:
        rows: of the panel's stocks: Code and `day`.
        panel: its sessions, and the factors.
        day: column with the day that the row tells of.
    """
    sessions = np.array(panel.sessions, dtype="datetime64[D]")
    told = rows[day].cast(pl.Date).to_numpy().astype("datetime64[D]")
    at = np.searchsorted(sessions, told, side="right") - 1
    at[np.isnat(told)] = -1
    inside = at >= 0
    kept, at = rows.filter(pl.Series(inside, dtype=pl.Boolean)), at[inside]
    column = np.searchsorted(np.array(panel.codes, dtype=str), kept["Code"].to_numpy().astype(str))
    return kept.with_columns(at=pl.Series(at, dtype=pl.Int64), basis=pl.Series(panel.prices.basis[at, column]))
