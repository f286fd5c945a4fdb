"""Graphs of many sessions: when they are made, months on their own, halts, and what is told about them."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.graphs import graphs_for_sessions
from atft_pipeline.graphs.series import SCHEMA, refresh_sessions
from atft_pipeline.graphs.summary import summarize_graphs
from atft_pipeline.sections import GraphSettings
from tests.unit.graphs.market import CODES, tables, weekdays

SETTINGS = GraphSettings(window=60, half_life=30.0, min_common=40, k=3, refresh=5)


def test_a_months_first_session_and_every_fifth_after_it() -> None:
    calendar = TradingCalendar(tuple(weekdays(date(2024, 1, 1), 60)))
    february = calendar.between(date(2024, 2, 1), date(2024, 2, 29))
    expected = (date(2024, 2, 1), date(2024, 2, 8), date(2024, 2, 15), date(2024, 2, 22), date(2024, 2, 29))
    assert refresh_sessions(february, calendar, 5) == expected
    assert refresh_sessions(february[1:7], calendar, 5) == (date(2024, 2, 8),)
    assert refresh_sessions(february, calendar, 1) == tuple(february)


def test_months_made_apart_equal_the_period_made_at_once() -> None:
    bars, topix, universe, calendar = tables(130)
    april = calendar.between(date(2024, 4, 1), date(2024, 4, 30))
    may = calendar.between(date(2024, 5, 1), date(2024, 5, 31))
    whole = graphs_for_sessions(bars, topix, universe, [*april, *may], calendar, SETTINGS)
    apart = [graphs_for_sessions(bars, topix, universe, month, calendar, SETTINGS) for month in (april, may)]
    assert whole.schema == pl.Schema(SCHEMA)
    assert_frame_equal(whole, pl.concat(apart), check_exact=True)
    assert whole["Date"].n_unique() == 10
    assert_frame_equal(whole, whole.sort("Date", "source", "target"))


def test_the_future_and_the_order_of_rows_change_nothing() -> None:
    bars, topix, universe, calendar = tables(130)
    april = calendar.between(date(2024, 4, 1), date(2024, 4, 30))
    late = pl.col("Date") > april[-1]
    first = graphs_for_sessions(bars, topix, universe, april, calendar, SETTINGS)
    poisoned = bars.with_columns(C=pl.when(late).then(1.0).otherwise("C")).sample(fraction=1.0, shuffle=True, seed=1)
    second = graphs_for_sessions(poisoned, topix.filter(~late), universe, april, calendar, SETTINGS)
    assert_frame_equal(first, second, check_exact=True)


def test_a_halt_is_aligned_by_date() -> None:
    bars, topix, universe, calendar = tables(90)
    day = calendar.between(date(2024, 4, 1), date(2024, 4, 30))[:1]
    halted = (pl.col("Code") == CODES[0]) & (pl.col("Date") == calendar.shift(day[0], -10))
    as_null = bars.with_columns(pl.when(halted).then(None).otherwise(pl.col("C", "Va")).name.keep())
    without_row = bars.filter(~halted)
    graphs = [graphs_for_sessions(b, topix, universe, day, calendar, SETTINGS) for b in (bars, as_null, without_row)]
    assert_frame_equal(graphs[1], graphs[2], check_exact=True)
    both = graphs[0].join(graphs[1], on=["source", "target"])
    touched = both.filter(pl.col("source") == CODES[0], ~pl.col("target").str.contains(":"))
    # one session less moves rho a little; shifting the rows by one would have destroyed it
    assert touched.height >= 3
    assert (touched["rho"] != touched["rho_right"]).all()
    assert ((touched["rho"] - touched["rho_right"]).abs() < 0.1).all()


def test_without_an_index_the_universes_mean_is_the_market() -> None:
    bars, _, universe, calendar = tables(90)
    graphs = graphs_for_sessions(
        bars, None, universe, calendar.sessions[-1:], calendar, SETTINGS.model_copy(update={"refresh": 1})
    )
    stocks = graphs.filter(~pl.col("source").str.contains(":"), ~pl.col("target").str.contains(":"))
    assert stocks.height > 0
    # what is left after the mean: the two industries move against each other
    assert ((stocks["rho"] > 0) == (stocks["same_s33"] == 1.0)).all()


def test_a_session_without_a_universe_has_no_graph() -> None:
    bars, topix, universe, calendar = tables(70)
    graphs = graphs_for_sessions(bars, topix, universe.head(0), [date(2024, 4, 1)], calendar, SETTINGS)
    assert graphs.is_empty()
    assert graphs.schema == pl.Schema(SCHEMA)


def test_summary_counts_degrees_and_survivors() -> None:
    days = weekdays(date(2024, 1, 1), 6)
    rows = [(days[0], "A", "B"), (days[0], "B", "A"), (days[0], "A", "S33:1"), (days[0], "S33:1", "A")]
    rows += [(days[5], "B", "C"), (days[5], "C", "B"), (days[5], "A", "B"), (days[5], "B", "A")]
    graphs = pl.DataFrame(rows, schema={"Date": pl.Date, "source": pl.String, "target": pl.String}, orient="row")
    universe = pl.DataFrame({"Date": [days[0]] * 3 + [days[5]] * 3, "Code": ["A", "B", "C"] * 2, "in_universe": True})
    summary = summarize_graphs(graphs, universe, TradingCalendar(tuple(days)))
    assert summary.n_graphs == 2
    assert summary.n_edges == 6
    assert summary.degree_histogram == (1, 4, 1)
    assert summary.isolated_share == pytest.approx(1 / 6)
    assert summary.survival_5 == 1.0
    assert summary.survival_60 is None
