"""Who moves with whom: the correlation graph of each session, with sector nodes."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage, warm
from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.graphs.series import graphs_for_sessions
from atft_pipeline.graphs.summary import summarize_graphs
from resources import display
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure


@stage(
    group="graphs",
    kinds={"numpy", "polars"},
    settings=("graph",),
    partitioned=True,
    ins={"daily_bars": warm("daily_bars"), "topix": warm("topix")},
)
def graphs(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    trading_calendar: pl.LazyFrame,
    daily_bars: pl.LazyFrame,
    topix: pl.LazyFrame,
    universe: pl.LazyFrame,
) -> pl.DataFrame:
    """Directed edges by as-of date, keyed by Code: correlated residual returns up to that close, and sectors."""
    from atft_pipeline.evaluation.plots import degree_bars

    index = topix.collect()
    start, end = structure().days_of(context.partition_keys)
    start = max(start, structure().start.replace(day=1))  # before, the window is not full and nothing is trained
    calendar = TradingCalendar.from_frame(trading_calendar.collect())
    members = universe.filter("in_universe").collect()
    edges = graphs_for_sessions(
        daily_bars,
        None if index.is_empty() else index,  # only a model without its graph may do without the index
        members,
        calendar.between(start, end),
        calendar,
        settings.load().graph,
        on_progress=reporter().step,
    )
    summary = summarize_graphs(edges, members, calendar)
    context.add_output_metadata(
        {
            "graphs": summary.n_graphs,
            "edges_between_stocks": summary.n_edges,
            "isolated_share": summary.isolated_share,
            "survival_5_sessions": summary.survival_5,
            "survival_60_sessions": summary.survival_60,
            "degrees": display.picture(degree_bars(summary.degree_histogram)),
        }
    )
    return edges


@dg.asset_check(asset=graphs, blocking=True)
def every_edge_stands_both_ways(lake: LakeResource) -> dg.AssetCheckResult:
    """Edges between stocks are symmetric, none is its own neighbour, none stands twice."""
    inner = ~(pl.col("source").str.contains(":") | pl.col("target").str.contains(":"))
    edges = lake.open().scan("graphs").filter(inner).select("Date", "source", "target").collect()
    backwards = edges.select("Date", source="target", target="source")
    one_way = edges.join(backwards, on=["Date", "source", "target"], how="anti").height
    loops = edges.filter(pl.col("source") == pl.col("target")).height
    twice = int(edges.is_duplicated().sum())
    return dg.AssetCheckResult(
        passed=not (one_way or loops or twice), metadata={"one_way": one_way, "loops": loops, "twice": twice}
    )


ASSETS = [graphs]
CHECKS = [every_edge_stands_both_ways]
