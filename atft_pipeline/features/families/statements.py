"""What companies report and forecast, against the year before, against their forecasts, and against the price.

Figures are cumulative from the start of the fiscal year: growth compares the same span a year before, margins, ROE and
earnings take the trailing 12 months, OdP is not used (IFRS has none). Growth, margins and ROE are made from the newest
result and stand for 250 sessions; what some companies tell once a year (surprise, accruals, book value, dividend)
stands for 330. Per-share figures meet each other and the price on one share basis, by the AdjFactors of (DiscDate, t].
As of: see `statement_rows`. Missing data: null where a figure or its comparison is unknown; a ratio with a denominator
that is not positive is null; ratios are clipped to the column's range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import MAX_AGE, Known, last_known
from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.families import statement_figures as figures
from atft_pipeline.features.families.statement_rows import disclosures
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.windows import Array

YEARLY_AGE = 330
"""Sessions for which a figure stands that may come once a year: 15 months, so that a late year leaves no gap."""

STALE_SESSIONS = 120

Rows = Callable[[Panel], pl.DataFrame]


def results(panel: Panel) -> pl.DataFrame:
    """The newest results beside their comparisons."""
    return panel.once(("statements", "results"), lambda: figures.results(disclosures(panel)))


def forecasts(panel: Panel) -> pl.DataFrame:
    """Forecasts of a full year."""
    return panel.once(("statements", "forecasts"), lambda: figures.forecasts(disclosures(panel)))


def result_growth(panel: Panel, *, figure: str) -> Array:
    """Growth of a cumulative figure from the same span a year before."""
    told = results(panel).with_columns(value=figures.growth(pl.col(figure), pl.col(f"{figure}_before")))
    return _on_grid(panel, told, MAX_AGE)


def trailing_ratio(panel: Panel, *, figure: str, to: str) -> Array:
    """A trailing figure over another one of the same row."""
    told = results(panel).with_columns(value=pl.col(f"{figure}_year") / pl.when(pl.col(to) > 0).then(pl.col(to)))
    return np.clip(_on_grid(panel, told, MAX_AGE), -2.0, 2.0)


def progress(panel: Panel) -> Array:
    """Share of the year's forecast operating profit that is reached, over the usual share."""
    told = figures.progress(results(panel), forecasts(panel))
    known = _known(panel, told, ("progress", "since"), MAX_AGE).values
    # a forecast does not make an old result young
    fresh = np.arange(len(panel.sessions), dtype=np.float64)[:, None] - known["since"] <= MAX_AGE
    return np.clip(np.where(fresh, known["progress"], np.nan), -3.0, 3.0)


def forecast_revision(panel: Panel, *, figure: str) -> Array:
    """Growth of the newest forecast from the one before, of the same year."""
    told = figures.revisions(forecasts(panel), figure).with_columns(value=pl.col("revision"))
    return _on_grid(panel, told, MAX_AGE)


def eps_surprise(panel: Panel) -> Array:
    """Full-year EPS minus the last forecast before it, over the price."""
    told = figures.surprises(disclosures(panel), forecasts(panel)).with_columns(value=pl.col("surprise"))
    return np.clip(_to_price(panel, _on_grid(panel, told, YEARLY_AGE)), -1.0, 1.0)


def accruals(panel: Panel) -> Array:
    """Profit that is not cash, over total assets, per year."""
    told = figures.accruals(disclosures(panel)).with_columns(value=pl.col("accruals"))
    return np.clip(_on_grid(panel, told, YEARLY_AGE), -1.0, 1.0)


def earnings_yield(panel: Panel) -> Array:
    """Trailing EPS over the price."""
    told = results(panel).with_columns(value=pl.col("eps_year"))
    return np.clip(_to_price(panel, _on_grid(panel, told, MAX_AGE)), -2.0, 2.0)


def book_yield(panel: Panel) -> Array:
    """Book value per share over the price."""
    told = disclosures(panel).filter(pl.col("book").is_not_null(), pl.col("end").is_not_null())
    told = figures.newest(told, figures.SHORT_LOOK_BACK).with_columns(value=pl.col("book"))
    return np.clip(_to_price(panel, _on_grid(panel, told, YEARLY_AGE)), -5.0, 20.0)


def dividend_yield(panel: Panel) -> Array:
    """Forecast annual dividend over the price; after a year without a forecast for the next, what it paid."""
    told = disclosures(panel).with_columns(value=pl.coalesce("NxFDivAnn", "FDivAnn", "DivAnn"))
    told = told.filter(pl.col("value").is_not_null())
    return np.clip(_to_price(panel, _on_grid(panel, told, YEARLY_AGE)), 0.0, 1.0)


def days_since(panel: Panel) -> Array:
    """Sessions since the last disclosure could first be used."""
    return _known(panel, disclosures(panel), (), MAX_AGE).age


def stale(panel: Panel) -> Array:
    """1 if nothing was disclosed for more than 120 sessions, else 0."""
    age = days_since(panel)
    return (np.isnan(age) | (age > STALE_SESSIONS)).astype(np.float64)


def _known(panel: Panel, rows: pl.DataFrame, columns: Sequence[str], max_age: int) -> Known:
    return last_known(rows, columns, panel.sessions, panel.codes, max_age=max_age)


def _on_grid(panel: Panel, rows: pl.DataFrame, max_age: int) -> Array:
    return _known(panel, rows, ("value",), max_age).values["value"]


def _to_price(panel: Panel, per_share: Array) -> Array:
    """A figure over the share basis of its day, brought to the basis of t and over the last close."""
    return per_share * panel.prices.basis / panel.prices.carried


AS_OF = "rows with DiscDate < t, or DiscDate = t and DiscTime before the close: always DiscDate <= t"
ONE_ROW = 1
"""A row disclosed after the close is usable a session later, while its share basis is that of its own day."""

_column = partial(
    Column,
    family="statements",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    max_null_share=0.35,
    min_active_share=0.95,
    warmup=MAX_AGE + figures.LOOK_BACK + ONE_ROW,
    endpoints=("financial_summaries",),
    as_of=AS_OF,
)
_to_prices = partial(
    _column,
    endpoints=("financial_summaries", "daily_bars"),
    as_of=f"{AS_OF}; bars with Date <= t",
)
GROWTH = "2 (x - y) / (|x| + |y|)"

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            _column(
                name=f"{name}_growth",
                valid_range=(-2.0, 2.0),
                formula=f"{GROWTH}, x = cumulative {field}, y = the same span's a year before; 0 if both are 0",
            ),
            partial(result_growth, figure=figure),
        )
        for name, field, figure in (
            ("sales", "Sales", "sales"),
            ("operating_profit", "OP", "op"),
            ("net_profit", "NP", "np"),
        )
    ),
    *(
        Feature(
            _column(
                name=name,
                valid_range=(-2.0, 2.0),
                formula=f"{formula}, trailing 12 months = last full year + cumulative - cumulative a year before",
            ),
            partial(trailing_ratio, figure=figure, to=to),
        )
        for name, formula, figure, to in (
            ("operating_margin", "OP / Sales", "op", "sales_year"),
            ("net_margin", "NP / Sales", "np", "sales_year"),
            ("return_on_equity", "NP / (TA EqAR, else Eq)", "np", "equity"),
        )
    ),
    Feature(
        _column(
            name="forecast_progress",
            valid_range=(-3.0, 3.0),
            formula="cumulative OP / FOP - usual share (last year's at the same span if in 0..1, else months of the"
            " year; 1 for a full year); FOP > 0",
        ),
        progress,
    ),
    *(
        Feature(
            of_rows(
                name=f"{name}_forecast_revision",
                kind="rank_gauss",  # most forecasts are repeated: half of the values are 0
                valid_range=(-2.0, 2.0),
                min_active_share=0.8,
                formula=f"{GROWTH}, x = newest forecast of {field}, y = the one before of the same year, on one share"
                " basis; 0 if it is the year's first",
            ),
            partial(forecast_revision, figure=figure),
        )
        for name, field, figure, of_rows in (
            ("operating", "OP", "op", _column),
            ("eps", "EPS", "eps", _to_prices),  # two forecasts of one share basis
        )
    ),
    Feature(
        _to_prices(
            name="eps_surprise",
            valid_range=(-1.0, 1.0),
            warmup=YEARLY_AGE + figures.SHORT_LOOK_BACK + ONE_ROW,
            formula="(full-year EPS - last FEPS of that year before it) / C, on the share basis of t",
        ),
        eps_surprise,
    ),
    Feature(
        _column(
            name="accruals",
            valid_range=(-1.0, 1.0),
            warmup=YEARLY_AGE + figures.SHORT_LOOK_BACK + ONE_ROW,
            formula="(NP - CFO) / TA * 12 / months of the period, newest row with CFO",
        ),
        accruals,
    ),
    Feature(
        _to_prices(
            name="earnings_yield",
            valid_range=(-2.0, 2.0),
            formula="trailing EPS / C, on the share basis of t",
        ),
        earnings_yield,
    ),
    Feature(
        _to_prices(
            name="book_yield",
            valid_range=(-5.0, 20.0),
            warmup=YEARLY_AGE + figures.SHORT_LOOK_BACK + ONE_ROW,
            formula="BPS / C, on the share basis of t; BPS else TA EqAR / (ShOutFY - TrShFY)",
        ),
        book_yield,
    ),
    Feature(
        _to_prices(
            name="dividend_yield",
            valid_range=(0.0, 1.0),
            warmup=YEARLY_AGE + ONE_ROW,
            formula="annual dividend / C, on the share basis of t: NxFDivAnn, else FDivAnn, else DivAnn of the newest"
            " row with one",
        ),
        dividend_yield,
    ),
    Feature(
        _column(
            name="statement_days_since",
            kind="rank_gauss",
            valid_range=(0.0, float(MAX_AGE)),
            max_null_share=0.1,
            warmup=MAX_AGE + ONE_ROW,
            formula="sessions since the last disclosure could first be used",
        ),
        days_since,
    ),
    Feature(
        _column(
            name="statement_stale",
            kind="flag",
            valid_range=(0.0, 1.0),
            max_null_share=0.01,
            min_active_share=0.0,  # in a small market everybody may have reported
            warmup=MAX_AGE + ONE_ROW,
            formula="1 if no disclosure became usable within the last 120 sessions, else 0",
        ),
        stale,
    ),
)
