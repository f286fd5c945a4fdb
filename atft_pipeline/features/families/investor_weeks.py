"""Weeks of trading by kind of investor, per line of market sections, as they were known on each session.

A line is a section through its renaming of 2022-04-04: Prime continues the First Section, Standard the Second Section
and JASDAQ (their yen added), Growth continues Mothers. A stock belongs to the line in which its own trading was
counted on the day: JASDAQ Growth (0107) is part of the source's one JASDAQ row, and so of the standard line.

As of: a row counts from the session after PubDate (the source comes at 16:30 or at 18:00). A later PubDate for the
same week corrects it from its own publication on, and never before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.features.as_of import usable_after
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.spells import places, sessions_of
from atft_pipeline.features.windows import Array

WEEKS = 52
REACH = 270
"""Sessions back to which a week may begin: the newest known began 9 to 13 ago, 51 weeks before it hold 255 at most."""

KINDS = ("Prop", "Ind", "Frgn", "SecCo", "InvTr", "BusCo", "OthCo", "InsCo", "Bank", "TrstBnk", "OthFin")
"""Kinds of investors that do not overlap; the source's Brk and Tot are sums of them."""

LINES = (
    (("TSEPrime",), ("TSE1st",)),
    (("TSEStandard",), ("TSE2nd", "TSEJASDAQ")),
    (("TSEGrowth",), ("TSEMothers",)),
)
"""Each line's sections, after and before the renaming; a week is known once all sections of one side are."""

LINE_OF_MARKET = {"0111": 0, "0101": 0, "0112": 1, "0102": 1, "0106": 1, "0107": 1, "0113": 2, "0104": 2}
"""Mkt of the master to its line."""

_SECTIONS = tuple(section for line in LINES for side in line for section in side)
_VALUES = (*(f"{who}{what}" for what in ("Net", "Turnover") for who in (*KINDS, "Tot")), "Daily")


@dataclass(frozen=True, eq=False)
class InvestorWeeks:
    """Up to 52 weeks of each line as known on each session; where nothing changed, sessions share a window.

    Attributes:
        values: by figure, [U windows, lines, 52 weeks], the newest week last, NaN in front of a short history.
            `<kind>Net` is purchases minus sales, `<kind>Turnover` their sum, thousand yen; `Daily` is the whole
            turnover of a week over its sessions.
        window: which of the U a session sees [D].
    """

    values: dict[str, Array]
    window: NDArray[np.int64]

    def net(self, *kinds: str) -> Array:
        """Purchases minus sales of some kinds together [U, lines, 52]."""
        return np.asarray(sum(self.values[f"{kind}Net"] for kind in kinds))

    def turnover(self, *kinds: str) -> Array:
        """Purchases and sales of some kinds together [U, lines, 52]."""
        return np.asarray(sum(self.values[f"{kind}Turnover"] for kind in kinds))


def investor_weeks(panel: Panel) -> InvestorWeeks:
    """The weeks known on each session of the panel: the newest 52 of those that began within `REACH` sessions."""
    return panel.once("investor_weeks", lambda: _investor_weeks(panel))


def line_of_stocks(panel: Panel) -> NDArray[np.int64]:
    """Each stock's line on the day [D, C]; -1 where its section is unknown or has no line."""
    numbers = [LINE_OF_MARKET.get(label, -1) for label in panel.labels["section"]]
    return np.array([*numbers, -1], dtype=np.int64)[panel.section]


def _investor_weeks(panel: Panel) -> InvestorWeeks:
    rows = _rows(panel)
    starts = rows["StDate"].unique().sort()
    week = starts.search_sorted(rows["StDate"]).to_numpy()
    began = np.searchsorted(sessions_of(panel.calendar), starts.to_numpy().astype("datetime64[D]"))
    began = began - (panel.calendar.position(panel.sessions[0]) if panel.sessions else 0)
    arrivals = np.maximum(rows["place"].to_numpy(), 0)
    board = _Board(len(starts))
    windows: list[Array] = []
    window = np.full(len(panel.sessions), -1, dtype=np.int64)
    section, figures = rows["section"].to_numpy(), rows.select(_VALUES).to_numpy()
    seen, oldest_seen = 0, -1
    for t in range(len(panel.sessions)):
        stop = int(np.searchsorted(arrivals, t, side="right"))
        oldest = int(np.searchsorted(began, t - REACH))
        if stop > seen or oldest != oldest_seen:
            for row in range(seen, stop):
                board.write(int(section[row]), int(week[row]), figures[row])
            windows.append(board.newest(oldest))
            seen, oldest_seen = stop, oldest
        window[t] = len(windows) - 1
    stacked = np.stack(windows) if windows else np.empty((0, len(LINES), WEEKS, len(_VALUES)))
    return InvestorWeeks({name: stacked[..., i] for i, name in enumerate(_VALUES)}, window)


def _rows(panel: Panel) -> pl.DataFrame:
    """Rows that the panel may see, in the order of their arrival: place, section, StDate and the figures."""
    table = panel.tables["investor_types"]
    there = table.collect_schema().names()
    absent = [f"{who}{side}" for who in (*KINDS, "Tot") for side in ("Buy", "Sell") if f"{who}{side}" not in there]
    rows = (
        table.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
        .filter(pl.col("Section").is_in(_SECTIONS), pl.col("StDate").is_not_null(), pl.col("EnDate").is_not_null())
        .collect()
        .with_columns(section=pl.col("Section").replace_strict(_SECTIONS, range(len(_SECTIONS)), return_dtype=pl.Int64))
    )
    usable = usable_after(rows["PubDate"], panel.calendar)
    sessions = [len(panel.calendar.between(*days)) for days in rows.select("StDate", "EnDate").iter_rows()]
    return (
        rows.with_columns(
            pl.Series("place", places(usable, panel), dtype=pl.Int64),
            *(_side(who, "Net", pl.col(f"{who}Buy") - pl.col(f"{who}Sell")) for who in (*KINDS, "Tot")),
            *(_side(who, "Turnover", pl.col(f"{who}Buy") + pl.col(f"{who}Sell")) for who in (*KINDS, "Tot")),
        )
        .with_columns(Daily=pl.col("TotTurnover") / pl.Series(sessions, dtype=pl.Float64).replace(0.0, None))
        .filter(pl.col("place") < len(panel.sessions))
        .sort("place", "PubDate", "StDate", "section")
        .select("place", "section", "StDate", *_VALUES)
    )


def _side(who: str, what: str, value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Float64).alias(f"{who}{what}")


class _Board:
    """The latest version of every week so far: what a reader of all publications up to today would have written down.

    Weeks [W], sections [S], figures [V]; NaN where nothing was published.
    """

    def __init__(self, n_weeks: int) -> None:
        self.by_section = np.full((len(_SECTIONS), n_weeks, len(_VALUES)), np.nan)
        self.published = np.zeros((len(_SECTIONS), n_weeks), dtype=np.bool_)
        self.by_line = np.full((len(LINES), n_weeks, len(_VALUES)), np.nan)
        self.known = np.zeros((len(LINES), n_weeks), dtype=np.bool_)

    def write(self, section: int, week: int, figures: Array) -> None:
        """One published row; the lines follow."""
        self.by_section[section, week] = figures
        self.published[section, week] = True
        for number, line in enumerate(LINES):
            for side in line:
                parts = [_SECTIONS.index(name) for name in side]
                if self.published[parts, week].all():
                    self.by_line[number, week] = self.by_section[parts, week].sum(axis=0)
                    self.known[number, week] = True
                    break

    def newest(self, oldest: int) -> Array:
        """The newest 52 known weeks of each line from week `oldest` on [lines, 52, V], the newest last."""
        out = np.full((len(LINES), WEEKS, len(_VALUES)), np.nan)
        for number, known in enumerate(self.known):
            weeks = (np.flatnonzero(known[oldest:]) + oldest)[-WEEKS:]
            out[number, WEEKS - len(weeks) :] = self.by_line[number, weeks]
        return out
