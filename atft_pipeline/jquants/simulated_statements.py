"""Statements of the simulated market: quarterly results, forecast revisions, and when they were announced to come.

Figures are cumulative from the start of the fiscal year, as disclosed; per-share figures are on the share basis of the
disclosure day. A result comes four to seven weeks after its quarter. Everything is text, missing is "".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.jquants.simulated_market import SimulatedMarket
from atft_pipeline.jquants.simulated_names import Floats, Ints, stream
from atft_pipeline.jquants.simulated_rows import wire_frame

QUARTERS = ("1Q", "2Q", "3Q", "FY")
QUARTER_NAMES = dict(zip(QUARTERS, ("第１四半期", "第２四半期", "第３四半期", "通期"), strict=True))
FISCAL_MONTHS, FISCAL_SHARES = (3, 12, 2, 6, 9), (0.7, 0.12, 0.06, 0.06, 0.06)
TIMES, TIME_SHARES = ("11:30:00", "13:00:00", "15:00:00", "15:30:00", "16:00:00"), (0.08, 0.12, 0.45, 0.25, 0.1)
REVISION_RATE = 0.06
FLAGS = ("MatChgSub", "SigChgInC", "ChgByASRev", "ChgNoASRev", "ChgAcEst", "RetroRst")


@dataclass(frozen=True)
class Result:
    """One quarterly result of one name: what it is about, when it comes, and its figures in yen."""

    name: int
    quarter: int
    start: date
    end: date
    year_end: date
    disclosed: date
    time: str
    sales: float
    profit: float
    year_sales: float
    year_profit: float
    next_sales: float
    next_profit: float


def statement_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Every disclosure within the sessions, by DiscNo: results, and now and then a revision of the forecast between."""
    rng = stream(market.settings.seed, "revisions")
    rows: list[dict[str, str]] = []
    for result in _results(market):
        if result.disclosed <= market.sessions[-1]:
            rows.append(_result_row(market, result))
        revised = market.calendar.shift(result.disclosed, 20)
        change = 1.0 + 0.15 * rng.standard_normal()
        if rng.random() < REVISION_RATE and result.quarter < 3 and is_listed(market, result.name, revised):
            rows.append(_revision_row(market, result, revised, change))
    rows.sort(key=lambda row: (row["DiscDate"], row["DiscTime"], row["Code"]))
    for number, row in enumerate(rows):
        row["DiscNo"] = f"{row['DiscDate'].replace('-', '')}{number % 1_000_000:06d}"
    return wire_frame(rows, "financial_summaries").fill_null("")


def earnings_date_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Announced dates of results, by PubDate: five to eight weeks ahead; some undecided at first, some moved."""
    rng = stream(market.settings.seed, "earnings dates")
    rows: list[dict[str, str]] = []
    for result in _results(market):
        ahead, fate = int(rng.integers(22, 38)), rng.random()
        moved = market.calendar.shift(result.disclosed, int(rng.integers(1, 4)))
        first = "" if fate < 0.06 else (moved if fate < 0.12 else result.disclosed).isoformat()
        notices = [(ahead, first)] + ([(ahead - 12, result.disclosed.isoformat())] if fate < 0.12 else [])
        for sessions_before, scheduled in notices:
            published = market.calendar.shift(result.disclosed, -sessions_before)
            if is_listed(market, result.name, published):
                code = market.names.codes[result.name]
                rows.append(
                    {
                        "PubDate": published.isoformat(),
                        "SchDate": scheduled,
                        "FQName": QUARTER_NAMES[QUARTERS[result.quarter]],
                        "FYE": f"{result.year_end:%m%d}",
                        "Code": code,
                        "CoName": f"模擬{code}",
                        "CoNameEn": f"Simulated {code}",
                    }
                )
    rows.sort(key=lambda row: (row["PubDate"], row["Code"]))
    return wire_frame(rows, "earnings_dates")


@dataclass(frozen=True)
class _Accounts:
    """The books of one name: quarterly figures by year [Y + 1, 4], and when each result comes [Y, 4]."""

    name: int
    fiscal_month: int
    sales: Floats
    profit: Floats
    lag: Ints
    time: NDArray[np.str_]
    guess: Floats


def _results(market: SimulatedMarket) -> list[Result]:
    """Results disclosed between the first session and four months after the last, by name and time."""
    rng = stream(market.settings.seed, "statements")
    years = range(market.sessions[0].year - 1, market.sessions[-1].year + 2)
    latest = market.sessions[-1] + timedelta(days=120)
    found = []
    for name in np.flatnonzero(market.names.is_stock):
        accounts = _draw_accounts(market, int(name), len(years), rng)
        for row, year in enumerate(years):
            for quarter in range(4):
                end = _month_end(year, accounts.fiscal_month + 3 * (quarter - 3))
                due = end + timedelta(days=int(accounts.lag[row, quarter]))
                if not market.sessions[0] <= due < latest:
                    continue
                disclosed = market.calendar.next_session(due)
                if disclosed > market.sessions[-1] or is_listed(market, int(name), disclosed):
                    found.append(_result(accounts, row, year, quarter, disclosed))
    return found


def _draw_accounts(market: SimulatedMarket, name: int, n_years: int, rng: np.random.Generator) -> _Accounts:
    worth = market.names.shares[name] * market.names.price[name]
    growth, margin = 0.05 + 0.08 * rng.standard_normal(), 0.03 + 0.1 * rng.random()
    quarters = np.arange(4 * (n_years + 1))  # one year more than is disclosed: forecasts look at what will come
    path = np.cumsum(0.04 * rng.standard_normal(len(quarters))) + growth * quarters / 4.0
    sales = (worth * np.exp(0.5 * rng.standard_normal() + path) / 4.0).reshape(-1, 4)
    return _Accounts(
        name=name,
        fiscal_month=int(rng.choice(FISCAL_MONTHS, p=FISCAL_SHARES)),
        sales=sales,
        profit=sales * (margin + 0.02 * rng.standard_normal(sales.shape)),
        lag=rng.integers(28, 46, (n_years, 4)) + np.array([0, 0, 0, 5]),
        time=rng.choice(TIMES, (n_years, 4), p=TIME_SHARES),
        guess=1.0 + 0.05 * rng.standard_normal((n_years, 4, 2)),
    )


def _result(accounts: _Accounts, row: int, year: int, quarter: int, disclosed: date) -> Result:
    done, month = slice(0, quarter + 1), accounts.fiscal_month
    sales_guess, profit_guess = accounts.guess[row, quarter]
    return Result(
        name=accounts.name,
        quarter=quarter,
        start=_month_end(year - 1, month) + timedelta(days=1),
        end=_month_end(year, month + 3 * (quarter - 3)),
        year_end=_month_end(year, month),
        disclosed=disclosed,
        time=str(accounts.time[row, quarter]),
        sales=float(accounts.sales[row, done].sum()),
        profit=float(accounts.profit[row, done].sum()),
        year_sales=float(accounts.sales[row].sum() * sales_guess),
        year_profit=float(accounts.profit[row].sum() * profit_guess),
        next_sales=float(accounts.sales[row + 1].sum() * sales_guess),
        next_profit=float(accounts.profit[row + 1].sum() * profit_guess),
    )


def _month_end(year: int, month: int) -> date:
    """Last day of a month; month 0 is the December before, -1 the November."""
    months = 12 * year + month  # the month after, counted from 0
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def is_listed(market: SimulatedMarket, name: int, day: date) -> bool:
    """Whether a name is on the master on a session of the market; False on any other day."""
    at = market.days(day, day)
    return at.stop > at.start and bool(market.tape.listed[at.start, name])


def _shares(market: SimulatedMarket, name: int, day: date) -> float:
    """Shares outstanding on a session, splits included."""
    stop = market.days(market.sessions[0], day).stop
    return float(market.names.shares[name] / np.prod(market.tape.factor[:stop, name]))


def _keys(market: SimulatedMarket, result: Result, day: date, time: str, kind: str) -> dict[str, str]:
    return {
        "DiscDate": day.isoformat(),
        "DiscTime": time,
        "Code": market.names.codes[result.name],
        "DocType": kind,
        "CurPerType": QUARTERS[result.quarter],
        "CurPerSt": result.start.isoformat(),
        "CurPerEn": result.end.isoformat(),
        "CurFYSt": result.start.isoformat(),
        "CurFYEn": result.year_end.isoformat(),
    }


def _forecast(prefix: str, suffix: str, sales: float, profit: float, shares: float) -> dict[str, str]:
    """Forecast of a year; next year's profit is spelt `NxFNp`."""
    return {
        f"{prefix}Sales": f"{sales:.0f}",
        f"{prefix}OP": f"{profit:.0f}",
        f"{prefix}OdP": f"{1.02 * profit:.0f}",
        f"{prefix}N{suffix}": f"{0.68 * profit:.0f}",
        f"{prefix}EPS": f"{0.68 * profit / shares:.2f}",
    }


def _result_row(market: SimulatedMarket, result: Result) -> dict[str, str]:
    shares = _shares(market, result.name, result.disclosed)
    equity = 0.6 * market.names.shares[result.name] * market.names.price[result.name] + 0.5 * result.profit
    dividend = max(0.0, 0.3 * 0.68 * result.year_profit / shares)
    kind = f"{QUARTERS[result.quarter]}FinancialStatements_Consolidated_JP"
    row = _keys(market, result, result.disclosed, result.time, kind)
    row |= _forecast("", "P", result.sales, result.profit, shares)
    row |= {"TA": f"{2.2 * equity:.0f}", "Eq": f"{equity:.0f}", "EqAR": "0.455", "BPS": f"{equity / shares:.2f}"}
    row |= dict.fromkeys(FLAGS, "false")
    row |= {"ShOutFY": f"{shares:.0f}", "TrShFY": f"{0.02 * shares:.0f}", "AvgSh": f"{0.98 * shares:.0f}"}
    if result.quarter in (1, 3):
        cash = {"CFO": 0.9, "CFI": -0.5, "CFF": -0.2, "CashEq": 1.5}
        row |= {column: f"{share * result.profit:.0f}" for column, share in cash.items()}
    if result.quarter == 3:
        row["NxtFYSt"] = (result.year_end + timedelta(days=1)).isoformat()
        row["NxtFYEn"] = _month_end(result.year_end.year + 1, result.year_end.month).isoformat()
        row |= _forecast("NxF", "p", result.next_sales, result.next_profit, shares)
        row |= {"DivFY": f"{dividend:.2f}", "DivAnn": f"{dividend:.2f}", "NxFDivAnn": f"{1.05 * dividend:.2f}"}
        row |= {"DivTotalAnn": f"{dividend * shares:.0f}", "PayoutRatioAnn": "0.3"}
    else:
        row |= _forecast("F", "P", result.year_sales, result.year_profit, shares)
        row |= {"FDivFY": f"{dividend:.2f}", "FDivAnn": f"{dividend:.2f}"}
    return row


def _revision_row(market: SimulatedMarket, result: Result, day: date, change: float) -> dict[str, str]:
    """A revision of the year's forecast between two results; no actual figures."""
    shares = _shares(market, result.name, day)
    profit = change * result.year_profit
    row = _keys(market, result, day, "15:00:00", "EarnForecastRevision")
    return row | _forecast("F", "P", result.year_sales, profit, shares)
