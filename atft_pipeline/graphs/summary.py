"""What is told about graphs beside the table itself: degrees, isolated stocks, and how long edges last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from atft_pipeline.calendar import TradingCalendar


@dataclass(frozen=True)
class GraphSummary:
    """Figures over all graphs of a table; shares in [0, 1], None where no pair of graphs lies that far apart.

    Attributes:
        n_graphs: as-of dates.
        n_edges: directed edges between stocks, all graphs together.
        degree_histogram: number of (graph, stock) with 0, 1, 2, .. neighbours.
        isolated_share: share of (graph, stock) without a neighbour.
        survival_5: share of edges that are still there 5 or a few more sessions later.
        survival_60: the same after 60.
    """

    n_graphs: int
    n_edges: int
    degree_histogram: tuple[int, ...]
    isolated_share: float
    survival_5: float | None
    survival_60: float | None


def summarize_graphs(graphs: pl.DataFrame, universe: pl.DataFrame, calendar: TradingCalendar) -> GraphSummary:
    """Summary of a `graphs` table; `universe` (Date, Code, in_universe) tells which stocks could have had edges."""
    edges = graphs.filter(~pl.col("source").str.contains(":") & ~pl.col("target").str.contains(":"))
    days = graphs["Date"].unique().sort().to_list()
    stocks = universe.filter(pl.col("in_universe") & pl.col("Date").is_in(days)).select("Date", source="Code")
    degrees = stocks.join(edges.group_by("Date", "source").len(), on=["Date", "source"], how="left")["len"].fill_null(0)
    counts = {int(degree): int(n) for degree, n in degrees.value_counts().iter_rows()}
    histogram = tuple(counts.get(degree, 0) for degree in range(max(counts, default=0) + 1))
    return GraphSummary(
        n_graphs=len(days),
        n_edges=edges.height,
        degree_histogram=histogram,
        isolated_share=histogram[0] / max(1, degrees.len()),
        survival_5=_survival(edges, days, calendar, 5),
        survival_60=_survival(edges, days, calendar, 60),
    )


def _survival(edges: pl.DataFrame, days: Sequence[date], calendar: TradingCalendar, gap: int) -> float | None:
    """Share of edges found again in the first graph that lies at least `gap` sessions later."""
    later = []
    for day in days:
        following = [other for other in days if calendar.position(other) - calendar.position(day) >= gap]
        if following:
            later.append((day, following[0]))
    if not later:
        return None
    pairs = pl.DataFrame(later, schema={"Date": pl.Date, "later": pl.Date}, orient="row")
    present = edges.select("Date", "source", "target").join(pairs, on="Date")
    again = present.join(
        edges.select(later="Date", source="source", target="target"), on=["later", "source", "target"], how="semi"
    )
    return again.height / max(1, present.height)
