"""Stocks whose margin balances are published daily because an exchange or the lender watches them.

As of: a row is usable on its PubDate (16:30). A stock is designated on t if a row about the session before was
published on t; a later correction of older days designates nobody. Missing data: no row means "not designated", which
is a fact and 0, not a gap: the table lists the designated stocks of each session and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import last_known, usable_after, usable_on
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.placed_rows import place, read_rows
from atft_pipeline.features.windows import Array

LONGEST_RUN = 60
"""Sessions of designation are counted up to here."""

RESTRICTIONS = ("003", "004", "005", "006")
"""TSEMrgnRegCls of the exchange's measures, first to fourth tier; 002 is daily publication alone, 101 is removal."""

RESTRICTING_REASONS = ("Restricted", "RestrictedByJSF")


@dataclass(frozen=True, eq=False)
class Designated:
    """The day's rows on the panel's grid [D, C].

    Attributes:
        on: 1 designated, 0 not.
        restricted: 1 if new margin trades are restricted, by the exchange or by the lender, else 0.
        long, short: balances of the session before, shares times the basis of that session; NaN if not designated.
        at: the panel's place of the session that the balances are of; NaN if not designated.
    """

    on: Array
    restricted: Array
    long: Array
    short: Array
    at: Array

    def of(self, side: Literal["long", "short"]) -> Array:
        """One side's balance."""
        return self.long if side == "long" else self.short


def designated(panel: Panel) -> Designated:
    """The rows of margin_alert, each on the session of its publication and on no other."""
    return panel.once("margin_alert", lambda: _designated(panel))


def sessions_designated(panel: Panel) -> Array:
    """Sessions in a row on which the stock was designated, t counted, up to `LONGEST_RUN`; 0 if it is not on t."""
    on = designated(panel).on
    run = on.copy()
    for t in range(1, len(on)):
        run[t] = np.where(on[t] > 0, np.minimum(run[t - 1] + 1.0, LONGEST_RUN), 0.0)
    return run


def _designated(panel: Panel) -> Designated:
    columns = ("Code", "PubDate", "AppDate", "PubReason", "TSEMrgnRegCls", "LongOut", "ShrtOut")
    rows = read_rows(panel, "margin_alert", columns)
    rows = rows.with_columns(
        usable=usable_on(rows["PubDate"], panel.calendar), expected=usable_after(rows["AppDate"], panel.calendar)
    ).filter(pl.col("usable") == pl.col("expected"))
    rows = place(rows, panel, "AppDate").sort("usable", "PubDate", "AppDate")
    rows = rows.with_columns(
        restricted=_is_restricted(rows),
        long=pl.col("LongOut") * pl.col("basis"),
        short=pl.col("ShrtOut") * pl.col("basis"),
    )
    known = last_known(rows, ("restricted", "long", "short", "at"), panel.sessions, panel.codes, max_age=0)
    on = np.isfinite(known.age)
    return Designated(
        on=on.astype(np.float64),
        restricted=np.where(on, known.values["restricted"], 0.0),
        long=known.values["long"],
        short=known.values["short"],
        at=known.values["at"],
    )


def _is_restricted(rows: pl.DataFrame) -> pl.Expr:
    """1 if a flag or the class says so; a flag or a class that is missing does not."""
    said = [pl.col("TSEMrgnRegCls").cast(pl.String).is_in(RESTRICTIONS)]
    if isinstance(rows.schema["PubReason"], pl.Struct):
        there = {field.name for field in rows.schema["PubReason"].fields}
        reasons = [reason for reason in RESTRICTING_REASONS if reason in there]
        said += [pl.col("PubReason").struct.field(reason) == "1" for reason in reasons]
    return pl.any_horizontal(one.fill_null(value=False) for one in said).cast(pl.Float64)
