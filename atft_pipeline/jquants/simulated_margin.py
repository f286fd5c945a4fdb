"""Margin trading on the simulated market: balances, weekly and later daily, and the stocks under watch.

Small but plausible rows in wire form. Nothing is published after the last session; nothing here moves prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from atft_pipeline.jquants.endpoints import REASONS
from atft_pipeline.jquants.simulated_market import SimulatedMarket
from atft_pipeline.jquants.simulated_names import Floats, stream
from atft_pipeline.jquants.simulated_rows import weeks, wire_columns, wire_frame

MARGIN_DAILY_FROM = date(2026, 9, 25)
"""From this application date on margin balances are daily and carry PubDate and values."""


def margin_interest_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Margin balances of each stock, shares: weekly, from 2026-09-25 daily with PubDate and values.

    A weekly row is of the week's last session and known on the 2nd session after it; weeks of fewer than three
    sessions have none.
    """
    calendar = market.calendar
    weekly = [week[-1] for week in weeks(market.sessions) if len(week) >= 3 and week[-1] < MARGIN_DAILY_FROM]
    daily = [day for day in market.sessions if day >= MARGIN_DAILY_FROM]
    delays = dict.fromkeys(weekly, 2) | dict.fromkeys(daily, 1)
    dates = [day for day, delay in delays.items() if calendar.shift(day, delay) <= market.sessions[-1]]
    balances = _balances(market)
    frames = [_margin_day(market, day, balances) for day in dates]
    return pl.concat(frames) if frames else wire_frame([], "margin_interest")


def _margin_day(market: SimulatedMarket, day: date, balances: Mapping[str, Floats]) -> pl.DataFrame:
    names, at = market.names, market.days(day, day).start
    held = np.flatnonzero(market.tape.listed[at] & names.is_stock)
    parts = {column: np.round(values[at, held], -2) for column, values in balances.items()}
    volumes = {f"{side}Vol": parts[f"{side}NegVol"] + parts[f"{side}StdVol"] for side in ("Shrt", "Long")} | parts
    price = names.price[held] * np.prod(market.tape.factor[: at + 1, held], axis=0)
    columns: dict[str, object] = {
        "Date": [day.isoformat()] * len(held),
        "Code": [names.codes[i] for i in held],
        "IssType": np.where(names.is_loanable[held], "2", "1"),
    }
    if day >= MARGIN_DAILY_FROM:
        columns["PubDate"] = [market.calendar.next_session(day).isoformat()] * len(held)
        columns |= {f"{column.removesuffix('Vol')}Val": np.round(volume * price) for column, volume in volumes.items()}
    return wire_columns(columns | volumes, "margin_interest")


def _balances(market: SimulatedMarket) -> dict[str, Floats]:
    """Balances in shares [D, C]: a few days' volume, drifting slowly; short ones only where stock can be lent."""
    rng = stream(market.settings.seed, "margin")
    names, n_sessions = market.names, len(market.sessions)
    shares = np.exp(names.log_value) / names.price / np.cumprod(market.tape.factor, axis=0)
    found = {}
    for column, days in (("ShrtNegVol", 0.2), ("LongNegVol", 1.0), ("ShrtStdVol", 0.6), ("LongStdVol", 2.5)):
        drift = np.cumsum(0.02 * rng.standard_normal((n_sessions, len(names.codes))), axis=0)
        lendable = names.is_loanable if column.startswith("Shrt") else 1.0
        found[column] = days * shares * np.exp(np.clip(drift, -1.5, 1.5)) * lendable
    return found


def margin_alert_rows(market: SimulatedMarket) -> pl.DataFrame:
    """Daily balances of the few stocks under watch, as text: "-" where the day before is unpublished, "*" for ETFs."""
    rng = stream(market.settings.seed, "margin alert")
    names, tape = market.names, market.tape
    eligible = np.flatnonzero(names.is_stock | (np.array(names.product) == "014"))
    n_watched = max(2, round(0.06 * len(eligible)))
    rows = []
    for name in rng.choice(eligible, n_watched, replace=False):
        start = int(rng.integers(1, len(market.sessions)))
        days = [
            d
            for d in range(start, min(start + int(rng.integers(10, 40)), len(market.sessions)))
            if tape.listed[d, name]
        ]
        rows += _alerts(market, int(name), days, rng)
    return wire_frame(sorted(rows, key=lambda row: (row["PubDate"], row["Code"])), "margin_alert")


def _alerts(
    market: SimulatedMarket, name: int, days: Sequence[int], rng: np.random.Generator
) -> list[dict[str, object]]:
    base = np.exp(market.names.log_value[name]) / market.names.price[name]
    paths = base * np.exp(np.cumsum(0.05 * rng.standard_normal((len(days), 4)), axis=0))
    balances = np.maximum(np.round(paths, -2), 100.0)
    reason = dict.fromkeys(REASONS, "0") | {("Restricted", "DailyPublication")[rng.integers(0, 2)]: "1"}
    fund = not market.names.is_stock[name]
    rows: list[dict[str, object]] = []
    for i, day in enumerate(days):
        parts = dict(zip(("ShrtNeg", "ShrtStd", "LongNeg", "LongStd"), balances[i], strict=True))
        before = dict(zip(parts, balances[i - 1], strict=True)) if i else None
        for side in ("Shrt", "Long"):
            parts[side] = parts[f"{side}Neg"] + parts[f"{side}Std"]
            if before is not None:
                before[side] = before[f"{side}Neg"] + before[f"{side}Std"]
        row: dict[str, object] = {
            "PubDate": market.sessions[day].isoformat(),
            "Code": market.names.codes[name],
            "AppDate": market.sessions[day - 1].isoformat(),
            "PubReason": reason,
            "SLRatio": f"{100 * parts['Shrt'] / parts['Long']:.1f}",
            "TSEMrgnRegCls": "002" if reason["Restricted"] == "1" else "001",
        }
        row |= {f"{part}Out": f"{value:.0f}" for part, value in parts.items()}
        row |= {f"{part}OutChg": f"{value - before[part]:.0f}" if before else "-" for part, value in parts.items()}
        row |= {f"{side}OutRatio": "*" if fund else f"{parts[side] / base / 10:.1f}" for side in ("Shrt", "Long")}
        rows.append(row)
    return rows
