"""One feature column as data, and its tie to the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.panel import Panel

Scope = Literal["stock", "sector", "section", "market"]
"""Over whom a column varies on one day: stocks, sectors (leave-one-out figures), market sections, or not at all."""

Kind = Literal["robust_z", "rank_gauss", "time_series", "flag"]
"""How a column is normalized: over the day's stocks, over a fold's training dates, or not at all (0/1)."""


@dataclass(frozen=True)
class Column:
    """What a column of the feature table promises; the checks, the docs and the model's input are made from it.

    Attributes:
        name: lower snake case, unique in the contract.
        family: group of columns that is embedded, masked and reported together.
        dtype: polars' name of the stored type.
        scope: over whom the column varies on one day.
        kind: how it is normalized.
        valid_range: least and greatest value that can be true.
        max_null_share: share of a table's rows that may be null, after the warm-up.
        min_active_share: share of days on which the column differs between the day's stocks; sparse columns
            have a low one. Not judged for scope `market`.
        warmup: sessions before the first row that the value depends on.
        endpoints: raw tables that it is made from.
        formula: how; t is the row's session, A_t its AdjFactor, and a window of n ends at t.
        as_of: which rows may be used on the evening of t.
        return_like: a one-session return that FAN splits into frequencies.
    """

    name: str
    family: str
    dtype: str
    scope: Scope
    kind: Kind
    valid_range: tuple[float, float]
    max_null_share: float
    min_active_share: float
    warmup: int
    endpoints: tuple[str, ...]
    formula: str
    as_of: str
    return_like: bool = False


@dataclass(frozen=True)
class Feature:
    """A column beside the function that computes it.

    It gives [D, C] or, for the whole market, [D, 1]. A family that makes many columns in one pass keeps them in
    `panel.memo` and gives the values at `panel.cells`: a row per member, no warm-up, half the bytes.
    """

    column: Column
    compute: Callable[[Panel], NDArray[np.float64] | NDArray[np.float32]]
