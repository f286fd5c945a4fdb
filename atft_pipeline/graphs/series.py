"""Graphs of a month, or of any run of sessions, as one table of edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.panel import grid
from atft_pipeline.graphs.build import Graph, build_graph
from atft_pipeline.graphs.edges import EDGE_FEATURES
from atft_pipeline.graphs.residual import market_residual
from atft_pipeline.sections import GraphSettings

VALUE_SESSIONS = 60
"""Sessions over which the median trading value of a stock is taken."""

SCHEMA: dict[str, type[pl.DataType]] = {
    "Date": pl.Date,
    "source": pl.String,
    "target": pl.String,
    **dict.fromkeys(EDGE_FEATURES, pl.Float32),
}
"""Columns of the `graphs` table: as-of date, both ends of a directed edge, its features."""

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]


def refresh_sessions(sessions: Sequence[date], calendar: TradingCalendar, refresh: int) -> tuple[date, ...]:
    """Those of `sessions` on which a graph is made: a month's first session, and every `refresh`-th after it.

    Counting starts anew each month, so that a month can be made without the ones before it.
    """
    return tuple(day for day in sessions if (len(calendar.between(day.replace(day=1), day)) - 1) % refresh == 0)


def graphs_for_sessions(
    bars: pl.LazyFrame | pl.DataFrame,
    topix: pl.DataFrame | None,
    universe: pl.DataFrame,
    sessions: Sequence[date],
    calendar: TradingCalendar,
    settings: GraphSettings,
    *,
    on_progress: Progress | None = None,
) -> pl.DataFrame:
    """Edges of the graphs of `sessions`, one graph per refresh session, sorted by (Date, source, target).

    A graph of session t uses bars up to t of the last `window` sessions and the stocks in universe(t). Prices are
    aligned by session: a halt is a hole, never a shift. Sessions before the first bar are holes too, so a window that
    is not full yields fewer edges (`min_common`), not other ones.

    Args:
        bars: Date, Code, C, AdjFactor, Va; must reach `window` sessions further back than the first of `sessions`.
        topix: Date, C. Without it the market is the equally weighted mean of the universe's returns.
        universe: Date, Code, in_universe, S33, S17.
        sessions: sessions to cover, ascending; graphs are made on `refresh_sessions` of them.
        calendar: sessions of the exchange.
        settings: how to build a graph.
        on_progress: called with (label, done, total) after each graph.

    Returns:
        A table of `SCHEMA`. Both directions of an edge are present; hierarchy nodes are named "S33:..." or "S17:...".

    A session without a stock in its universe (the warm-up) has no graph.
    """
    chosen = refresh_sessions(sessions, calendar, settings.refresh)
    if not chosen:
        return pl.DataFrame(schema=SCHEMA)
    first = max(0, calendar.position(chosen[0]) - settings.window)
    span = calendar.sessions[first : calendar.position(chosen[-1]) + 1]
    members = universe.filter("in_universe", pl.col("Date").is_in(chosen)).sort("Date", "Code")
    codes = tuple(members["Code"].unique().sort().to_list())
    of_day = members.partition_by("Date", as_dict=True)
    prices = grid(bars.lazy().select("Date", "Code", "C", "AdjFactor", "Va"), span, codes)
    market = None
    if topix is not None:
        index = topix.lazy().select("Date", "C", Code=pl.lit("TOPIX"))
        market = grid(index, span, ("TOPIX",)).session_return[:, 0]
    tables = [pl.DataFrame(schema=SCHEMA)]
    for done, day in enumerate(chosen, start=1):
        listed = of_day.get((day,))
        if listed is None:
            continue
        end = span.index(day) + 1
        rows = slice(max(0, end - settings.window), end)
        columns = np.searchsorted(codes, listed["Code"].to_numpy().astype(np.str_))
        returns = prices.session_return[rows, columns]
        residual = market_residual(
            returns, _mean_of_known(returns) if market is None else market[rows], settings.half_life
        )
        values = _median_of_known(prices.value[max(0, end - VALUE_SESSIONS) : end, columns])
        sectors = {code: (s33 or "", s17 or "") for code, s33, s17 in listed.select("Code", "S33", "S17").iter_rows()}
        tables.append(edge_table(build_graph(residual, tuple(sectors), sectors, settings, as_of=day, values=values)))
        if on_progress is not None:
            on_progress("graphs", done, len(chosen))
    return pl.concat(tables)


def _mean_of_known(returns: Floats) -> Floats:
    """Mean of each row over its known values; NaN for a row without any."""
    count = np.isfinite(returns).sum(axis=1)
    mean: Floats = np.where(count > 0, np.nansum(returns, axis=1) / np.maximum(count, 1), np.nan)
    return mean


def _median_of_known(values: Floats) -> Floats:
    """Median of each column over its known values; NaN for a column without any."""
    median = np.full(values.shape[1], np.nan)
    known = np.isfinite(values).any(axis=0)
    if known.any():
        median[known] = np.nanmedian(values[:, known], axis=0)
    return median


def edge_table(graph: Graph) -> pl.DataFrame:
    """Rows of `SCHEMA` of one graph, sorted by (source, target)."""
    names = np.array([*graph.codes, *graph.node_names], dtype=object)
    columns = {
        "Date": pl.repeat(graph.as_of, graph.edge_index.shape[1], dtype=pl.Date, eager=True),
        "source": pl.Series(names[graph.edge_index[0]].tolist(), dtype=pl.String),
        "target": pl.Series(names[graph.edge_index[1]].tolist(), dtype=pl.String),
        **{name: pl.Series(graph.edge_attr[:, i]) for i, name in enumerate(EDGE_FEATURES)},
    }
    return pl.DataFrame(columns, schema=SCHEMA).sort("source", "target")
