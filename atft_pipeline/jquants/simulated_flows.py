"""Flows of the simulated market: investor types and short selling, with their delays.

Small but plausible rows in wire form. Nothing is published after the last session; nothing here moves prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from atft_pipeline.jquants.sectors import INDUSTRIES
from atft_pipeline.jquants.simulated_market import SimulatedMarket
from atft_pipeline.jquants.simulated_names import stream
from atft_pipeline.jquants.simulated_rows import SECTIONS_RENAMED, weeks, wire_columns, wire_frame

_SECTIONS_BEFORE = ("TSE1st", "TSE2nd", "TSEMothers", "TSEJASDAQ", "TokyoNagoya")
_SECTIONS = ("TSEPrime", "TSEStandard", "TSEGrowth", "TokyoNagoya")
_SECTION_SHARE = {"TSE2nd": 0.03, "TSEStandard": 0.04, "TSEMothers": 0.05, "TSEJASDAQ": 0.03, "TSEGrowth": 0.05}
_INVESTOR_SHARE = {
    "Ind": 0.24,
    "Frgn": 0.60,
    "SecCo": 0.02,
    "InvTr": 0.03,
    "BusCo": 0.02,
    "OthCo": 0.005,
    "InsCo": 0.005,
    "Bank": 0.01,
    "TrstBnk": 0.05,
    "OthFin": 0.02,
}
_INSTITUTIONS = ("Sim Capital LLC", "Quant Partners LLP", "Delta One Ltd", "Alpha Trading Inc", "Hedge Lane AG")


def investor_type_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Weekly trading by investor type and section, thousand yen, published on the 4th session after the week.

    Foreigners buy after rises, individuals after falls; banks of the remaining type take the other side.
    """
    rng = stream(market.settings.seed, "investor types")
    rows = []
    for week in weeks(market.sessions):
        published = market.calendar.shift(week[-1], 4)
        if published > market.sessions[-1]:
            break
        rise = _index_return(market, week)
        for section in _SECTIONS if week[0] >= SECTIONS_RENAMED else _SECTIONS_BEFORE:
            total = 1.6e10 * _SECTION_SHARE.get(section, 1.0) * np.exp(0.15 * rng.standard_normal())
            keys = {"PubDate": published, "StDate": week[0], "EnDate": week[-1]}
            texts = {column: day.isoformat() for column, day in keys.items()}
            rows.append(texts | {"Section": section} | _investors(total, rise, rng))
    return wire_frame(rows, "investor_types")


def _investors(total: float, rise: float, rng: np.random.Generator) -> dict[str, float]:
    """Sales, purchases, their sum and balance of each investor type; purchases and sales agree in total."""
    lean = {"Frgn": 1.5 * rise, "Ind": -1.2 * rise}
    brokerage = 0.9 * total
    sales = {who: round(share * brokerage) for who, share in _INVESTOR_SHARE.items()}
    net = {who: round((lean.get(who, 0.0) + 0.02 * rng.standard_normal()) * sales[who]) for who in sales}
    net["OthFin"] = -sum(value for who, value in net.items() if who != "OthFin")
    sales |= {"Prop": round(0.1 * total), "Brk": sum(sales.values())}
    net |= {"Prop": 0, "Brk": 0}
    sales["Tot"], net["Tot"] = sales["Prop"] + sales["Brk"], 0
    return {
        f"{who}{what}": float(value)
        for who, sale in sales.items()
        for what, value in (("Sell", sale), ("Buy", sale + net[who]), ("Tot", 2 * sale + net[who]), ("Bal", net[who]))
    }


def short_ratio_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Selling by industry of each session, yen: about 40% of it short, the more so after falls."""
    rng = stream(market.settings.seed, "short ratio")
    names, tape = market.names, market.tape
    value = np.nan_to_num(tape.value)
    member = names.industry[:, None] == np.arange(len(INDUSTRIES))
    sold = np.maximum(value @ member, 1e6)
    tide = np.cumsum(0.02 * rng.standard_normal(sold.shape), axis=0)
    short = np.clip(0.40 + 0.05 * np.tanh(tide) + 0.02 * rng.standard_normal(sold.shape), 0.1, 0.7)
    free = np.clip(0.25 + 0.03 * rng.standard_normal(sold.shape), 0.05, 0.5)
    n_sessions, n_industries = sold.shape
    return wire_columns(
        {
            "Date": np.repeat([day.isoformat() for day in market.sessions], n_industries),
            "S33": [industry.s33 for industry in INDUSTRIES] * n_sessions,
            "SellExShortVa": np.round(sold * (1 - short)).ravel(),
            "ShrtWithResVa": np.round(sold * short * (1 - free)).ravel(),
            "ShrtNoResVa": np.round(sold * short * free).ravel(),
        },
        "short_ratio",
    )


def short_sale_report_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Reported short positions: every few sessions a new ratio, disclosed two sessions after it was calculated."""
    rng = stream(market.settings.seed, "short sale report")
    names, tape = market.names, market.tape
    stocks = np.flatnonzero(names.is_stock)
    rows = []
    for name in rng.choice(stocks, max(3, round(0.2 * len(stocks))), replace=False):
        institution = _INSTITUTIONS[rng.integers(0, len(_INSTITUTIONS))]
        days = np.cumsum(rng.integers(3, 25, len(market.sessions) // 10)) + 2
        ratio, before = 0.006, ("", 0.0)
        for day in days[days < len(market.sessions)]:
            if not tape.listed[day, name]:
                continue
            ratio = round(float(np.clip(ratio + 0.001 * rng.standard_normal(), 0.003, 0.04)), 4)
            rows.append(_report(market, int(name), int(day), institution, ratio, before))
            before = (market.sessions[day - 2].isoformat(), ratio)
    return wire_frame(sorted(rows, key=lambda row: (row["DiscDate"], row["Code"])), "short_sale_report")


def _report(
    market: SimulatedMarket, name: int, day: int, institution: str, ratio: float, before: tuple[str, float]
) -> dict[str, object]:
    shares = round(ratio * market.names.shares[name] / 100) * 100.0
    return {
        "DiscDate": market.sessions[day].isoformat(),
        "CalcDate": market.sessions[day - 2].isoformat(),
        "Code": market.names.codes[name],
        "SSName": institution,
        "SSAddr": "",
        "DICName": "",
        "DICAddr": "",
        "FundName": "",
        "ShrtPosToSO": ratio,
        "ShrtPosShares": shares,
        "ShrtPosUnits": shares / 100,
        "PrevRptDate": before[0],
        "PrevRptRatio": before[1],
        "Notes": "",
    }


def _index_return(market: SimulatedMarket, week: Sequence[date]) -> float:
    window = market.days(week[0], week[-1])
    return float(np.log(market.tape.topix[window][-1, 3] / market.tape.topix[window][0, 0]))
