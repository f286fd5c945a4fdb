"""What `benchmarks.ingest` reads: pages as the API sends them, monthly files as its bulk download has them."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from atft_pipeline.jquants.api.client import Page
from atft_pipeline.jquants.api.questions import Question
from atft_pipeline.jquants.api.received import Received
from atft_pipeline.jquants.api.source import CALENDAR, COVERED_FROM
from atft_pipeline.jquants.data_files import DataFile, find_files
from atft_pipeline.jquants.endpoints import ENDPOINTS, REASONS
from atft_pipeline.jquants.plan_names import PlanName

BARS = ENDPOINTS["daily_bars"]
COLUMNS = tuple(BARS.columns)[:16]
"""Those of the plans below Premium: without the morning's and the afternoon's."""

CODES, SESSIONS = 4000, 21
PAGE_BYTES = 5_000_000
PLAN: PlanName = "premium"
"""Its window reaches back far enough for every file."""


def sessions_of(first: date) -> list[date]:
    """The first 21 weekdays of a month, or as many as it has."""
    days = (first + timedelta(days=i) for i in range(31))
    return [day for day in days if day.month == first.month and day.weekday() < 5][:SESSIONS]


class Market:
    """Bars of `CODES` codes, month after month: no trade in 3% of the rows, a split of one in two for 3% of the codes.

    Adjusted prices are those of today: before its split a code's are half of what was paid.
    """

    def __init__(self, months: int) -> None:
        self._random = np.random.default_rng(7)
        self._price = np.exp(self._random.normal(7.2, 1.0, CODES))
        self._codes = [f"{1300 + i}0" if i % 50 else f"{130 + i // 50}A0" for i in range(CODES)]
        splits = self._random.random(CODES) < 0.03
        self._split_at = np.where(splits, self._random.integers(1, max(months * SESSIONS, 2), CODES), -1)
        self._session = 0

    def month(self, first: date) -> pl.DataFrame:
        """Bars of the sessions of the month that begins at `first`."""
        return pl.concat([self._day(day) for day in sessions_of(first)]).select(COLUMNS)

    def _day(self, day: date) -> pl.DataFrame:
        normal, at = self._random.normal, self._session
        self._session += 1
        factor = np.where(self._split_at == at, 0.5, 1.0)
        before, self._price = self._price * factor, self._price * factor * np.exp(normal(0, 0.02, CODES))
        high = np.maximum(before, self._price) * np.exp(np.abs(normal(0, 0.004, CODES)))
        low = np.minimum(before, self._price) * np.exp(-np.abs(normal(0, 0.004, CODES)))
        volume = np.ceil(np.exp(normal(10, 1.5, CODES)) / 100) * 100
        traded = self._random.random(CODES) >= 0.03
        today = np.where(self._split_at > at, 0.5, 1.0)
        prices = {"O": before, "H": high, "L": low, "C": self._price}
        values = {name: np.round(price, 1) for name, price in prices.items()}
        values |= {f"Adj{name}": np.round(price * today, 1) for name, price in prices.items()}
        values |= {"Vo": volume, "Va": np.round(volume * self._price), "AdjVo": volume / today}
        limits = {name: np.where(self._random.random(CODES) < 0.003, "1", "0") for name in ("UL", "LL")}
        bars = pl.DataFrame({"Code": self._codes, **limits, "AdjFactor": factor, **values})
        silent = pl.when(pl.lit(pl.Series(traded))).then(pl.col(*values))
        return bars.with_columns(silent, Date=pl.lit(day.isoformat()))


def write_files(folder: Path, months: int) -> tuple[DataFile, ...]:
    """A file per month, the last of them December 2025."""
    market = Market(months)
    for i in range(months):
        year, month = divmod(2026 * 12 - months + i, 12)
        text = market.month(date(year, month + 1, 1)).write_csv().encode()
        name = f"{BARS.file_stem}_{year}{month + 1:02d}.csv.gz"
        (folder / name).write_bytes(gzip.compress(text, compresslevel=6, mtime=0))
    return find_files(folder, BARS.name)


def keep_as_received(files: Sequence[DataFile], received: Received) -> None:
    """Move the files into a store of answers, as downloads leave them there, beside a calendar of their sessions."""
    now, months = datetime.now(UTC), [file.period for file in files if file.period is not None]
    for file, (first, last) in zip(files, months, strict=True):
        incoming = received.incoming(BARS.name, file.path.name)
        file.path.replace(incoming)
        received.keep_bulk(BARS.name, Question(file.path.name, first, last, {}), incoming, PLAN, now)
    sessions = {day for first, _ in months for day in sessions_of(first)}
    begin, end = months[0][0], months[-1][1]
    days = (begin + timedelta(days=i) for i in range((end - begin).days + 1))
    calendar = orjson.dumps({"data": [{"Date": str(day), "HolDiv": "1" if day in sessions else "0"} for day in days]})
    page = Page(ENDPOINTS[CALENDAR].path, {}, 1, now, PLAN, calendar)
    received.keep_pages(CALENDAR, Question("whole", date.min, date.max, {}), [page], now)
    received.remember(f"{COVERED_FROM} {PLAN}", str(begin))


def page_of(rows: list[dict[str, object]]) -> bytes:
    """The rows again and again, up to about 5 MB."""
    wanted = PAGE_BYTES * len(rows) // len(orjson.dumps(rows))
    again = rows * (wanted // len(rows) + 1)
    return orjson.dumps({"data": again[:wanted], "pagination_key": "next"})


def pages() -> dict[str, bytes]:
    """A page of bars (numbers), of statements (numbers as text), of margin alerts (tokens and objects)."""
    drawn = random.Random(7)
    fins, alert = ENDPOINTS["financial_summaries"], ENDPOINTS["margin_alert"]
    plain = {"date": "2024-05-10", "code": "72030", "text": "001", "flag": "false"}

    def statement(kind: str) -> object:
        number = drawn.choice(["", str(drawn.randrange(10**12)), f"{drawn.uniform(0, 500):.2f}"])
        return number if kind == "number" else plain[kind]

    def alerted(column: str, kind: str) -> object:
        if kind == "reason":
            return {reason: drawn.choice("01") for reason in REASONS}
        if kind != "number":
            return plain[kind]
        missing = "-" if column.endswith("Chg") else "*" if column.endswith("Ratio") else None
        return missing if missing and drawn.random() < 0.1 else drawn.randrange(10**7)

    bars = Market(1).month(date(2025, 12, 1)).to_dicts()[: CODES * 5]
    statements = [{name: statement(kind) for name, kind in fins.columns.items()} for _ in range(500)]
    alerts = [{name: alerted(name, kind) for name, kind in alert.columns.items()} for _ in range(2000)]
    return {e.name: page_of(rows) for e, rows in ((BARS, bars), (fins, statements), (alert, alerts))}
