"""The predictions table: what every model gives, network or baseline, and what the evaluation judges."""

from __future__ import annotations

from typing import Any

import polars as pl

SCHEMA: dict[str, Any] = {
    "Date": pl.Date,
    "Code": pl.String,
    "horizon": pl.Int32,
    "score": pl.Float64,
    "fold": pl.String,
    "model": pl.String,
}
"""One row per session, stock and horizon in sessions; `fold` names the fold whose model gave the score."""
