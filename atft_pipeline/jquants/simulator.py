"""A simulated market that answers in J-Quants V2 wire form, so that everything runs offline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.sectors import INDUSTRIES
from atft_pipeline.jquants.simulated_calendar import calendar_frame
from atft_pipeline.jquants.simulated_flows import investor_type_rows, short_ratio_rows, short_sale_report_rows
from atft_pipeline.jquants.simulated_margin import margin_alert_rows, margin_interest_rows
from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from atft_pipeline.jquants.simulated_names import Ints, Names
from atft_pipeline.jquants.simulated_rows import SECTIONS_RENAMED, wire_columns
from atft_pipeline.jquants.simulated_statements import earnings_date_rows, statement_rows
from atft_pipeline.jquants.source import require_offered
from atft_pipeline.sections import SimulatorSettings

VERSION = 4
"""Raised whenever the same settings would give other rows."""

_MARKETS_BEFORE = (("0101", "東証一部"), ("0102", "東証二部"), ("0104", "マザーズ"))
_MARKETS = (("0111", "プライム"), ("0112", "スタンダード"), ("0113", "グロース"))
_OTHER_MARKET = ("0109", "その他")


class SimulatedSource:
    """The simulated market as a source; every endpoint, nothing published after the last session."""

    name = "simulated"
    stretched_master = False
    notes = ("A simulated market with planted effects: the figures show that the pipeline works, not a market.",)
    endpoints = frozenset(ENDPOINTS)

    def __init__(self, settings: SimulatorSettings) -> None:
        self.market = simulated_market(settings)

    def calendar(self) -> pl.DataFrame:
        """Every date of the years from the one before the first session to the one after the last, with HolDiv."""
        return calendar_frame(self.first_session(), self.last_session())

    def first_session(self) -> date:
        """The first of `n_sessions` sessions."""
        return self.market.sessions[0]

    def last_session(self) -> date:
        """The setting `last_session`, or the session before it."""
        return self.market.sessions[-1]

    def fetch(self, endpoint: str, start: date, end: date) -> pl.DataFrame:
        """Wire rows of one endpoint in [start, end]."""
        require_offered(self, endpoint)
        return _ROWS[endpoint](self.market, start, end)

    def fingerprint(self, endpoint: str, start: date, end: date) -> str:
        """Hash of the settings, the simulator's version and the arguments."""
        text = f"{VERSION} {self.market.settings.model_dump_json()} {endpoint} {start} {end}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _calendar_rows(market: SimulatedMarket, start: date, end: date) -> pl.DataFrame:
    days = calendar_frame(market.sessions[0], market.sessions[-1]).filter(pl.col("Date").is_between(start, end))
    return days.with_columns(pl.col("Date").dt.to_string("%Y-%m-%d"))


def _stock_days(market: SimulatedMarket, start: date, end: date) -> tuple[Ints, Ints, pl.DataFrame]:
    """Positions (day, name) of the names on the master in [start, end], by Date and Code, with both as columns."""
    window = market.days(start, end)
    day, name = np.nonzero(market.tape.listed[window])
    day = day + window.start
    dates = np.array([session.isoformat() for session in market.sessions] or [""])
    keys = {"Date": dates[day], "Code": np.array(market.names.codes)[name]}
    return day, name, pl.DataFrame(keys, schema={"Date": pl.String(), "Code": pl.String()})


def _bar_rows(market: SimulatedMarket, start: date, end: date) -> pl.DataFrame:
    day, name, keys = _stock_days(market, start, end)
    tape = market.tape
    numbers = {"O": tape.open, "H": tape.high, "L": tape.low, "C": tape.close}
    flags = {"UL": tape.at_upper, "LL": tape.at_lower}
    totals = {"Vo": tape.volume, "Va": tape.value, "AdjFactor": tape.factor}
    return keys.with_columns(
        *(pl.Series(column, values[day, name], nan_to_null=True) for column, values in numbers.items()),
        *(pl.Series(column, np.where(values[day, name], "1", "0"), pl.String) for column, values in flags.items()),
        *(pl.Series(column, values[day, name], nan_to_null=True) for column, values in totals.items()),
    )


def _master_rows(market: SimulatedMarket, start: date, end: date) -> pl.DataFrame:
    _, name, keys = _stock_days(market, start, end)
    rows = _profiles(market.names)[name]
    first = pl.col("Date") < SECTIONS_RENAMED.isoformat()
    return (
        pl.concat([keys, rows], how="horizontal")
        .with_columns(
            pl.when(first).then("Mkt_before").otherwise("Mkt").alias("Mkt"),
            pl.when(first).then("MktNm_before").otherwise("MktNm").alias("MktNm"),
        )
        .select("Date", "Code", *(c for c in ENDPOINTS["equities_master"].columns if c not in ("Date", "Code")))
    )


def _profiles(names: Names) -> pl.DataFrame:
    """What the master says of each name on any day, one row per name."""
    rank = np.argsort(np.argsort(-names.log_value))
    scales = ("TOPIX Core30", "TOPIX Large70", "TOPIX Mid400", "TOPIX Small 1", "TOPIX Small 2")
    rows = []
    for i, code in enumerate(names.codes):
        stock = names.product[i] == "011"
        industry = INDUSTRIES[names.industry[i]]
        share = rank[i] / len(names.codes)
        rows.append(
            {
                "CoName": f"模擬{code}",
                "CoNameEn": f"Simulated {code}",
                "S17": industry.s17 if stock else "99",
                "S17Nm": industry.s17_name if stock else "その他",
                "S33": industry.s33 if stock else "9999",
                "S33Nm": industry.s33_name if stock else "その他",
                "ScaleCat": scales[int(np.searchsorted([0.02, 0.06, 0.25, 0.55], share))] if stock else "-",
                "Mkt": (_MARKETS[names.segment[i]] if stock else _OTHER_MARKET)[0],
                "MktNm": (_MARKETS[names.segment[i]] if stock else _OTHER_MARKET)[1],
                "Mkt_before": (_MARKETS_BEFORE[names.segment[i]] if stock else _OTHER_MARKET)[0],
                "MktNm_before": (_MARKETS_BEFORE[names.segment[i]] if stock else _OTHER_MARKET)[1],
                "Mrgn": "2" if names.is_loanable[i] else "1",
                "MrgnNm": "貸借" if names.is_loanable[i] else "信用",
                "ProdCat": names.product[i],
            }
        )
    return pl.DataFrame(rows)


def _topix_rows(market: SimulatedMarket, start: date, end: date) -> pl.DataFrame:
    window = market.days(start, end)
    bars = market.tape.topix[window]
    dates = [session.isoformat() for session in market.sessions[window]]
    return wire_columns({"Date": dates, **{column: bars[:, i] for i, column in enumerate("OHLC")}}, "topix")


def _slices(
    make: Callable[[SimulatedMarket], pl.DataFrame], name: str
) -> Callable[[SimulatedMarket, date, date], pl.DataFrame]:
    """Rows of an endpoint that is made whole, once per market, and cut by date."""
    whole = lru_cache(maxsize=2)(make)
    day = pl.col(ENDPOINTS[name].date_column)  # ISO dates compare as text

    def cut(market: SimulatedMarket, start: date, end: date) -> pl.DataFrame:
        return whole(market).filter(day.is_between(pl.lit(start.isoformat()), pl.lit(end.isoformat())))

    return cut


_ROWS: Mapping[str, Callable[[SimulatedMarket, date, date], pl.DataFrame]] = {
    "trading_calendar": _calendar_rows,
    "equities_master": _master_rows,
    "daily_bars": _bar_rows,
    "topix": _topix_rows,
} | {
    name: _slices(make, name)
    for name, make in {
        "investor_types": investor_type_rows,
        "margin_interest": margin_interest_rows,
        "margin_alert": margin_alert_rows,
        "short_ratio": short_ratio_rows,
        "short_sale_report": short_sale_report_rows,
        "financial_summaries": statement_rows,
        "earnings_dates": earnings_date_rows,
    }.items()
}
