"""Disclosures as rows with one form: when each may be used, which period it is of, and its figures.

As of: a row disclosed before the close of a session (15:00 until 2024-11-01, 15:30 from 2024-11-05) belongs to that
session, any other one to the next; a missing time is after the close. Rows of one session stand in the order of
DiscNo, so a later one replaces what an earlier one says, and nothing else of it.

Consolidated figures where the row has any, else those of the company alone (NC...): never both from one row. Two
rows are compared only if both are of one kind: `kind` is the source and the form of accounts (Consolidated_IFRS ...).
Months are counted through the years: `begin` is the month at whose end the fiscal year began, `end` the month in which
the period ends, `year` the one in which the fiscal year ends. They come from the dates, so a changed fiscal year (4Q,
5Q) and a missing CurPerType are no trouble; CurPerType stands in for a missing CurPerEn.
"""

from __future__ import annotations

from datetime import time
from itertools import chain

import polars as pl

from atft_pipeline.calendar import LONGER_SESSION_FROM, TradingCalendar, session_close
from atft_pipeline.features.as_of import usable_after, usable_on
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.placed_rows import place, read_rows

ACTUALS = {
    "sales": "Sales",
    "op": "OP",
    "np": "NP",
    "eps": "EPS",
    "ta": "TA",
    "eq": "Eq",
    "ratio": "EqAR",
    "bps": "BPS",
}
"""Figures that a row has twice: under this name and, of the company alone, with NC before it."""

FORECASTS = {"f_sales": "FSales", "f_op": "FOP", "f_np": "FNP", "f_eps": "FEPS"}
"""The year's forecast; of the company alone with FNC for F."""

NEXT_FORECASTS = {"n_sales": "NxFSales", "n_op": "NxFOP", "n_np": "NxFNp", "n_eps": "NxFEPS"}
"""The next year's forecast; of the company alone with NxFNC for NxF, and NxFNCNP."""

SINGLE = ("CFO", "ShOutFY", "TrShFY", "DivAnn", "FDivAnn", "NxFDivAnn")
KEYS = ("DiscDate", "DiscTime", "Code", "DiscNo", "DocType", "CurPerType", "CurPerEn", "CurFYSt", "CurFYEn", "NxtFYEn")
MONTHS_TO_YEAR_END = {"1Q": 9, "2Q": 6, "3Q": 3, "FY": 0}
PER_SHARE = ("eps", "bps", "f_eps", "n_eps", "DivAnn", "FDivAnn", "NxFDivAnn")


def disclosures(panel: Panel) -> pl.DataFrame:
    """Rows of financial_summaries that are usable within the panel, in the order in which they became known.

    Returns:
        Code; usable (a session), u (its place in the panel), order (the row's number); kind, source, begin, end, year,
        next_year; the figures of `ACTUALS`, `FORECASTS`, `NEXT_FORECASTS` with f_source and n_source, `SINGLE`, equity
        (yen) and book (per share). Per-share figures are over the share basis of DiscDate: times the basis of t they
        are on that of t.
    """
    return panel.once("disclosures", lambda: _disclosures(panel))


def decision_sessions(days: pl.Series, times: pl.Series, calendar: TradingCalendar) -> pl.Series:
    """First session at whose close each disclosure may be used: `TradingCalendar.decision_session`, for a column."""
    text = times.cast(pl.String)
    instant = text.str.to_time("%H:%M:%S", strict=False).fill_null(text.str.to_time("%H:%M", strict=False))
    before = pl.DataFrame({"day": days.cast(pl.Date), "time": instant}).select(
        pl.when(pl.col("day") >= LONGER_SESSION_FROM)
        .then(pl.col("time") < session_close(LONGER_SESSION_FROM))
        .otherwise(pl.col("time") < time(15))
        .fill_null(value=False)
        .alias("before")
    )["before"]
    return usable_on(days, calendar).zip_with(before, usable_after(days, calendar)).alias("usable")


def _disclosures(panel: Panel) -> pl.DataFrame:
    pairs = {**_pairs(ACTUALS, "", "NC"), **_pairs(FORECASTS, "F", "FNC"), **_pairs(NEXT_FORECASTS, "NxF", "NxFNC")}
    names = list(dict.fromkeys(chain(KEYS, SINGLE, *pairs.values())))
    rows = read_rows(panel, "financial_summaries", names)
    rows = rows.with_columns(usable=decision_sessions(rows["DiscDate"], rows["DiscTime"], panel.calendar))
    place_of = pl.DataFrame(
        {"usable": list(panel.sessions), "u": range(len(panel.sessions))}, schema={"usable": pl.Date, "u": pl.Int64}
    )
    rows = place(rows.join(place_of, on="usable", how="inner"), panel, "DiscDate")
    # DiscNo is unique; the rest gives rows that lack it an order of their own, whatever order they came in
    rows = rows.sort("Code", "u", "DiscNo", "DiscDate", "DiscTime", "DocType", "CurPerEn").with_row_index("order")
    number = pl.col(*chain(*pairs.values()), *SINGLE).cast(pl.Float64)
    rows = rows.with_columns(number, *_period_months(), order=pl.col("order").cast(pl.Int64))
    for source, figures in (("source", ACTUALS), ("f_source", FORECASTS), ("n_source", NEXT_FORECASTS)):
        rows = rows.with_columns(_source(figures, pairs).alias(source))
        rows = rows.with_columns(
            pl.when(pl.col(source) == "own").then(pl.col(own)).otherwise(pl.col(group)).alias(name)
            for name, (group, own) in pairs.items()
            if name in figures
        )
    rows = rows.with_columns(kind=pl.col("source") + pl.lit(" ") + _form_of_accounts())
    rows = rows.with_columns(pl.col(PER_SHARE) / pl.col("basis"), equity=_equity())
    shares = (pl.col("ShOutFY") - pl.col("TrShFY").fill_null(0.0)) * pl.col("basis")
    derived = pl.when(shares > 0).then(pl.col("equity") / shares)
    return rows.with_columns(book=pl.coalesce("bps", derived)).select(
        "Code", "usable", "u", "order", "kind", "source", "f_source", "n_source",
        "begin", "end", "year", "next_year", *pairs, *SINGLE, "equity", "book",
    )  # fmt: skip


def _pairs(figures: dict[str, str], group: str, own: str) -> dict[str, tuple[str, str]]:
    """By figure, the column of the group and that of the company alone; next year's profit is NxFNp, but NxFNCNP."""
    return {name: (column, own + column.removeprefix(group).replace("Np", "NP")) for name, column in figures.items()}


def _source(figures: dict[str, str], pairs: dict[str, tuple[str, str]]) -> pl.Expr:
    """Whose figures to take: "own" if the row has some of the company alone and none of the group, else "group"."""
    group = pl.any_horizontal(pl.col(pairs[name][0]).is_not_null() for name in figures)
    own = pl.any_horizontal(pl.col(pairs[name][1]).is_not_null() for name in figures)
    return pl.when(own & ~group).then(pl.lit("own")).otherwise(pl.lit("group"))


def _form_of_accounts() -> pl.Expr:
    """Consolidated_IFRS of 3QFinancialStatements_Consolidated_IFRS; empty for a document that is no statement."""
    return pl.col("DocType").cast(pl.String).str.extract(r"FinancialStatements_(.*)$", 1).fill_null("")


def _equity() -> pl.Expr:
    """Shareholders' equity, yen: total assets times the equity ratio; without them net assets as stated."""
    return pl.coalesce(pl.col("ratio") * pl.col("ta"), "eq")


def _month(day: pl.Expr) -> pl.Expr:
    return day.dt.year().cast(pl.Int64) * 12 + day.dt.month()


def _period_months() -> list[pl.Expr]:
    year = _month(pl.col("CurFYEn").cast(pl.Date))
    until_end = pl.col("CurPerType").cast(pl.String).replace_strict(
        MONTHS_TO_YEAR_END, default=None, return_dtype=pl.Int64
    )  # fmt: skip
    return [
        year.alias("year"),
        pl.coalesce(_month(pl.col("CurPerEn").cast(pl.Date)), year - until_end).alias("end"),
        pl.coalesce(_month(pl.col("CurFYSt").cast(pl.Date).dt.offset_by("-1d")), year - 12).alias("begin"),
        pl.coalesce(_month(pl.col("NxtFYEn").cast(pl.Date)), year + 12).alias("next_year"),
    ]
