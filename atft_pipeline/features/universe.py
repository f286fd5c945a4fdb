"""Which stocks can be held on a day, and why the others cannot.

Everything is known on the evening BEFORE the day, except the master of the day, which is published that evening.
A stock without a trade on the day stays: whether it will trade is not known beforehand. What is known is whether it
could be traded when the exchange last was: `suspended` and `limit_locked` say so, and exclude nothing.

Survivorship: the universe of t is what the master of t lists. A source with one master snapshot (`stretched_master`)
knows only the stocks that still existed at the snapshot, so everything computed from it is computed on survivors;
of such a snapshot S33, S17 and ProdCat are used, the market section is not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby

import numpy as np
import polars as pl
import polars.selectors as cs

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.errors import ContractError
from atft_pipeline.features.halts import last_traded, limit_locked, suspended
from atft_pipeline.features.panel import grid, positions
from atft_pipeline.features.windows import Array, lag, window_age, window_mean, window_median
from atft_pipeline.sections import UniverseSettings

WINDOW = 60
"""Sessions over which traded value is judged; a stock without a single bar in as many is not listed any more."""

LONGEST_MONTH = 23
"""Sessions of a month at most: the size ranking's window may end that long before the day."""

SCHEMA: dict[str, type[pl.DataType]] = {
    "Date": pl.Date,
    "Code": pl.String,
    "in_universe": pl.Boolean,
    "reason": pl.String,
    "S33": pl.String,
    "S17": pl.String,
    "Mkt": pl.String,
    "suspended": pl.Boolean,
    "limit_locked": pl.Boolean,
}
"""Columns of the universe."""

COMMON_STOCK = "011"
NO_INDUSTRY = ("-", "", "9999")
"""S33 of funds and other products that are no company."""


def universe_warmup(settings: UniverseSettings) -> int:
    """Sessions before the first day that the universe depends on."""
    return _depth(settings) + WINDOW + LONGEST_MONTH


def _depth(settings: UniverseSettings) -> int:
    """Sessions in which the first trade is sought; the 60 on top let an old stock pause where the count begins."""
    return settings.min_listed_sessions + WINDOW


def build_universe(
    tables: Mapping[str, pl.LazyFrame],
    settings: UniverseSettings,
    start: date,
    end: date,
    stretched_master: bool,
) -> pl.DataFrame:
    """Universe over the sessions of [start, end].

    A row is excluded for the first reason that holds: `not_common_stock` (ProdCat is not 011; where the source has
    no ProdCat, the code does not end in 0 or has no industry), `market` (Mkt is known and not among the settings'),
    `young_listing` (fewer sessions since the first trade), `no_price` (no trade in 60 sessions), `low_price` (last
    close before the day), `low_trading_value` (median of the 60 sessions before, a session without trade counting
    as 0), `not_among_largest` (mean value traded over the last 60 sessions of the month before, among common stocks of
    the sections; ties by Code; the other tests apply to the n largest, so that fewer than n may remain).

    Two flags tell of the last session before the day on which the exchange traded at all, and are no reasons:
    `suspended` (no trade, though the stock has traded before) and `limit_locked` (traded at one price, its limit, all
    session long); both are defined in `halts.py`, and False where that is not known.

    Args:
        tables: `daily_bars`, `equities_master`, `trading_calendar`, with `universe_warmup` sessions before `start`.
        settings: thresholds.
        start: first day, session or not.
        end: last day, included.
        stretched_master: the master is one snapshot that stands for every day.

    Returns:
        Date, Code, in_universe, reason (null if in it), S33, S17, Mkt, suspended, limit_locked; one row per listed
        (Date, Code), sorted.

    Raises:
        ContractError: no master snapshot is valid for the first session.
    """
    calendar = TradingCalendar.from_frame(tables["trading_calendar"].select("Date", "HolDiv").collect())
    # A day needs its warm-up and nothing else: year by year, memory holds one year's grids, not the period's.
    years = [tuple(days) for _, days in groupby(calendar.between(start, end), key=lambda day: day.year)]
    parts = [_of_days(tables, settings, calendar, days, stretched_master=stretched_master) for days in years]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *parts])


def _of_days(
    tables: Mapping[str, pl.LazyFrame],
    settings: UniverseSettings,
    calendar: TradingCalendar,
    days: Sequence[date],
    *,
    stretched_master: bool,
) -> pl.DataFrame:
    """Universe of consecutive sessions, at least one."""
    first = calendar.position(days[0])
    sessions = (*calendar.sessions[max(first - universe_warmup(settings), 0) : first], *days)
    rows = _listed(tables["equities_master"], days, stretched_master=stretched_master)
    rows = rows.with_columns(_figures(tables["daily_bars"], sessions, rows, settings))
    if stretched_master:
        # the snapshot does not say since when a stock is listed, nor in which section it was before
        rows = rows.filter(pl.col("age").is_not_null()).with_columns(Mkt=pl.lit(None, pl.String))
    markets = pl.col("Mkt").is_null() | pl.col("Mkt").is_in(settings.markets)
    static = _is_common_stock() & (pl.lit(value=True) if stretched_master else markets)
    rank = pl.when(static).then("month_value").rank("ordinal", descending=True).over("Date")  # rows are in code order
    tests = {
        "not_common_stock": _is_common_stock(),
        "market": static,
        "young_listing": pl.col("age") >= settings.min_listed_sessions,
        "no_price": pl.col("close").is_not_null(),
        "low_price": pl.col("close") >= settings.min_price,
        "low_trading_value": pl.col("median_value") >= settings.min_trading_value,
    }
    if settings.n_largest is not None:
        tests["not_among_largest"] = rank <= settings.n_largest  # no rank without a known value
    reason = pl.coalesce(*(pl.when(~holds.fill_null(value=False)).then(pl.lit(name)) for name, holds in tests.items()))
    return rows.with_columns(reason=reason, in_universe=reason.is_null()).select(*SCHEMA)


def _is_common_stock() -> pl.Expr:
    by_code = ~pl.col("S33").fill_null("-").is_in(NO_INDUSTRY)
    by_product = pl.col("ProdCat") == COMMON_STOCK
    known = pl.col("ProdCat").is_not_null() & (pl.col("ProdCat") != "")
    return pl.col("Code").str.ends_with("0") & pl.when(known).then(by_product).otherwise(by_code)


def _listed(master: pl.LazyFrame, days: Sequence[date], *, stretched_master: bool) -> pl.DataFrame:
    """Master rows valid for each day, sorted by (Date, Code): the day's snapshot, or the last before it."""
    there = master.collect_schema().names()
    columns = [
        pl.col(c) if c in there else pl.lit(None, dtype=pl.String).alias(c) for c in ("S33", "S17", "ProdCat", "Mkt")
    ]
    snapshots = master.select(snapshot="Date").unique().sort("snapshot").collect()
    wanted = pl.DataFrame({"Date": list(days)}, schema={"Date": pl.Date})
    if stretched_master:
        wanted = wanted.join(snapshots.tail(1), how="cross")
    else:
        wanted = wanted.join_asof(snapshots.with_columns(Date="snapshot"), on="Date")
    if wanted["snapshot"].null_count():
        raise ContractError(
            f"equities_master has no snapshot valid for {wanted.filter(pl.col('snapshot').is_null())['Date'][0]}.",
            remedy="Fetch the master for the whole period, or declare the one snapshot there is as stretched.",
        )
    used = wanted["snapshot"]
    rows = (
        master.filter(pl.col("Date").is_between(used.min(), used.max()), pl.col("Date").is_in(used.unique().implode()))
        .select("Code", *columns, snapshot="Date")
        .collect()
        .unique(["snapshot", "Code"], keep="last", maintain_order=True)
        .sort("Code")
    )
    return wanted.join(rows, on="snapshot", maintain_order="left_right").drop("snapshot")


def _figures(
    bars: pl.LazyFrame, sessions: Sequence[date], rows: pl.DataFrame, settings: UniverseSettings
) -> list[pl.Series]:
    """What is known on the evening before the day of each of `rows` (Date, Code): a column per figure."""
    codes = rows["Code"].unique().sort().to_list()
    locks = cs.by_name("H", "L", "UL", "LL", require_all=False)  # a source may lack the limit flags
    prices = grid(bars.select("Date", "Code", "C", "Va", "AdjFactor", locks), sessions, codes)
    age = window_age(prices.close, _depth(settings))
    value = np.where(np.isfinite(age) & np.isnan(prices.value), 0.0, prices.value)
    months = [(day.year, day.month) for day in sessions]
    before_month = [bisect_left(months, month) - 1 for month in months]
    mean_value = np.concatenate([window_mean(value, WINDOW), np.full((1, len(codes)), np.nan)])  # row -1: not known
    known: dict[str, Array] = {
        "age": lag(age, 1),
        "close": lag(prices.carried, 1),
        "median_value": lag(window_median(value, WINDOW), 1),
        "month_value": mean_value[before_month],
    }
    last = last_traded(bars, sessions)  # -1: nothing traded before, nothing is known
    flags = {"suspended": suspended(prices, age), "limit_locked": limit_locked(prices)}
    position = positions(rows, sessions, codes)
    return [
        *(pl.Series(name, array[position]).fill_nan(None) for name, array in known.items()),
        *(pl.Series(name, (flag[last] & (last >= 0)[:, None])[position]) for name, flag in flags.items()),
    ]
