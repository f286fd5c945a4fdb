"""A market whose books are untidy, and the proofs that a family made from them must pass, whatever the family.

The rules of publication stand here a second time, row by row in plain Python, so that a fault of the product's is seen.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import CONTRACT
from tests.full_market import FullMarket, full_market

BOOKS = ("margin_interest", "margin_alert", "financial_summaries")
DAY_OF = {"margin_interest": "Date", "margin_alert": "AppDate", "financial_summaries": "DiscDate", "daily_bars": "Date"}
N_SESSIONS = 720

Row = dict[str, object]
Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


@lru_cache(maxsize=1)
def rough_market() -> FullMarket:
    """A tenth of the rows missing, one in eight corrected up to 300 sessions later, long silences, splits, holes."""
    market, rng = full_market(60, N_SESSIONS), np.random.default_rng(11)
    tables = dict(market.tables)
    tables["daily_bars"] = split_more(tables["daily_bars"], rng)
    for name in BOOKS:
        tables[name] = tables[name].filter(pl.Series(rng.random(tables[name].height) > 0.1))
        tables[name] = with_silences(tables[name], DAY_OF[name], market, rng)
    alert = tables["margin_alert"]
    tables["margin_alert"] = pl.concat([alert, late(alert.head(9), "PubDate", market, rng)])
    interest = tables["margin_interest"]
    some = interest.filter(pl.Series(rng.random(interest.height) < 0.03))
    # as of the API a row has one PubDate: the correction takes the place of the row
    corrected = late(some.with_columns(PubDate=pl.col("Date")), "PubDate", market, rng)
    kept = interest.join(corrected.select("Date", "Code"), on=["Date", "Code"], how="anti")
    tables["margin_interest"] = pl.concat([kept, corrected])
    told = tables["financial_summaries"]
    again = late(told.filter(pl.Series(rng.random(told.height) < 0.12)), "DiscDate", market, rng)
    again = again.with_columns(DiscNo=pl.col("DiscNo") + "9")
    told = pl.concat([told, again])
    holes = {name: pl.Series(rng.random(told.height) < 0.1) for name in ("DiscTime", "CurPerType", "BPS", "CFO", "OP")}
    tables["financial_summaries"] = told.with_columns(
        pl.when(~hole).then(pl.col(name)).alias(name) for name, hole in holes.items()
    )
    return replace(market, tables=tables)


def with_silences(rows: pl.DataFrame, day: str, market: FullMarket, rng: np.random.Generator) -> pl.DataFrame:
    """A third of the stocks say nothing for 200 to 260 sessions: what was known before stands, and ends."""
    codes = rows["Code"].unique().sort()
    for code in codes.gather_every(3):
        start, length = int(rng.integers(100, N_SESSIONS - 260)), int(rng.integers(200, 260))
        silence = market.sessions[start], market.sessions[start + length]
        rows = rows.filter((pl.col("Code") != code) | ~pl.col(day).is_between(*silence))
    return rows


def split_more(bars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """An AdjFactor on one row in 300: prices need not follow, a family has only to use it in one way."""
    draw = pl.Series(rng.choice([0.5, 1.0, 3.0], bars.height, p=[0.002, 0.997, 0.001]))
    return bars.with_columns(AdjFactor=pl.col("AdjFactor") * draw)


def late(rows: pl.DataFrame, day: str, market: FullMarket, rng: np.random.Generator) -> pl.DataFrame:
    """The rows published 1 to 300 sessions later, with other figures; nothing after the last session."""
    ends = market.sessions[-1]
    moved = [d + timedelta(days=int(n)) for d, n in zip(rows[day], rng.integers(1, 430, rows.height), strict=True)]
    return noise(rows, rng).with_columns(pl.Series(day, moved, dtype=pl.Date)).filter(pl.col(day) <= ends)


def features(family: str, first: int, last: int, **replaced: pl.DataFrame) -> pl.DataFrame:
    """The family on the sessions first..last, by position, with some of the tables, or the universe, replaced."""
    m = rough_market()
    days = m.sessions[first], m.sessions[last]
    universe = replaced.pop("universe", m.universe)
    return compute_features(m.lazy(**replaced), universe.lazy(), [family], *days).collect()


def first_use(table: str, row: Row, calendar: TradingCalendar) -> date:
    """The first session on whose evening a row may be used, by the design's table."""
    if table == "daily_bars":
        return as_date(row["Date"])
    if table == "margin_alert":
        return calendar.next_session(as_date(row["PubDate"]) - timedelta(days=1))
    if table == "margin_interest":
        if row["PubDate"] is not None:
            return calendar.next_session(as_date(row["PubDate"]))
        monday = as_date(row["Date"]) + timedelta(days=7 - as_date(row["Date"]).weekday())
        published = calendar.next_session(calendar.next_session(monday - timedelta(days=1)))
        return calendar.next_session(published)
    told = row["DiscTime"]
    clock = time.fromisoformat(told) if isinstance(told, str) else time(23, 59)
    return calendar.decision_session(datetime.combine(as_date(row["DiscDate"]), clock))


def as_date(value: object) -> date:
    """A cell that must hold a date."""
    assert isinstance(value, date)
    return value


def unknown_on(table: str, rows: pl.DataFrame, day: date, calendar: TradingCalendar) -> pl.Series:
    """Which rows may not be used on the evening of `day`; a row near the calendar's end may not."""
    latest = calendar.sessions[-8]
    keys = [name for name in ("Date", "PubDate", "AppDate", "DiscDate", "DiscTime") if name in rows.columns]
    distinct = rows.select(keys).unique()
    known = []
    for row in distinct.to_dicts():
        days = [value for value in row.values() if isinstance(value, date)]
        known.append(max(days) < latest and first_use(table, row, calendar) <= day)
    flags = distinct.with_columns(known=pl.Series(known, dtype=pl.Boolean))
    found = rows.select(keys).join(flags, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return ~found["known"]


def noise(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Other numbers, some of them missing."""
    numbers = [name for name, dtype in rows.schema.items() if dtype == pl.Float64 and name != "AdjFactor"]
    changed = rows.with_columns(pl.Series(name, rng.lognormal(5, 2, rows.height)) for name in numbers)
    changed = changed.with_columns(
        pl.when(pl.Series(rng.random(rows.height) > 0.1)).then(pl.col(name)).alias(name) for name in numbers
    )
    if "AdjFactor" in rows.columns:
        changed = changed.with_columns(AdjFactor=pl.Series(rng.choice([0.5, 1.0, 2.0], rows.height)))
    return changed


def shuffle(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Each row gets another one's values, but for the keys that say when it is published and of whom it is."""
    keys = ("Date", "PubDate", "AppDate", "DiscDate", "DiscTime", "Code")
    return rows.with_columns(pl.exclude(*keys).gather(rng.permutation(rows.height)))


def delete(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """No rows."""
    del rng
    return rows.clear()


CHANGES: dict[str, Change] = {"changed": noise, "shuffled": shuffle, "deleted": delete}


def with_another_future(day: date, change: Change, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Every table, and the universe, with the rows that are unknown on the evening of `day` changed."""
    m = rough_market()
    found = {"universe": m.universe.filter((pl.col("Date") <= day) | pl.Series(rng.random(m.universe.height) < 0.5))}
    for name in (*BOOKS, "daily_bars"):
        unknown = unknown_on(name, m.tables[name], day, m.calendar)
        past, later = m.tables[name].filter(~unknown), m.tables[name].filter(unknown)
        found[name] = pl.concat([past, change(later, rng)])
    return found


def assert_blind(family: str, t: int, change: Change, rng: np.random.Generator) -> None:
    """Features up to session t are the same to the bit, whatever becomes known later."""
    day, last = rough_market().sessions[t], min(t + 40, N_SESSIONS - 1)
    first = max(t - 30, 0)
    true = features(family, first, last).filter(pl.col("Date") <= day)
    other = features(family, first, last, **with_another_future(day, change, rng)).filter(pl.col("Date") <= day)
    assert true.height > 0
    for column in true.columns:
        assert other[column].equals(true[column], null_equal=True), f"{column} sees the future of {day}"


def columns_that_see(family: str, t: int, rng: np.random.Generator) -> set[str]:
    """Columns that change after session t with the same changes: else the proof of blindness could not fail."""
    day, seen = rough_market().sessions[t], set()
    true = features(family, t, N_SESSIONS - 1).filter(pl.col("Date") > day)
    for change in CHANGES.values():
        replaced = with_another_future(day, change, rng) | {"universe": rough_market().universe}
        other = features(family, t, N_SESSIONS - 1, **replaced).filter(pl.col("Date") > day)
        seen |= {name for name in true.columns[2:] if not other[name].equals(true[name], null_equal=True)}
    return seen


def assert_chunk_is_whole(family: str, first: int, last: int) -> None:
    """A chunk that is given its warm-up's rows alone, as a stage reads them, equals the whole history."""
    m = rough_market()
    start = m.sessions[max(first - CONTRACT.select([family]).warmup, 0)]
    cut = {name: m.tables[name].filter(pl.col(DAY_OF[name]) >= start) for name in DAY_OF}
    whole = _whole(family).filter(pl.col("Date").is_between(m.sessions[first], m.sessions[last]))
    for tables in ({}, cut):
        assert_close(features(family, first, last, **tables), whole, f"{first}..{last}")


def assert_own_warmup(family: str, name: str) -> None:
    """A column of the last session needs no row of a day that is more than its warm-up before."""
    m = rough_market()
    start = m.sessions[N_SESSIONS - 1 - CONTRACT[name].warmup]
    cut = {table: m.tables[table].filter(pl.col(day) >= start) for table, day in DAY_OF.items()}
    keys = ["Date", "Code", name]
    found = features(family, N_SESSIONS - 1, N_SESSIONS - 1, **cut).select(keys)
    assert_close(found, _whole(family).filter(pl.col("Date") == m.sessions[-1]).select(keys), name)


@lru_cache(maxsize=2)
def _whole(family: str) -> pl.DataFrame:
    return features(family, 0, N_SESSIONS - 1)


def assert_close(found: pl.DataFrame, expected: pl.DataFrame, what: str, rtol: float = 1e-6) -> None:
    """Same rows, same nulls, and values to `rtol`."""
    assert found.select("Date", "Code").equals(expected.select("Date", "Code"))
    for name in expected.columns[2:]:
        np.testing.assert_allclose(
            found[name].to_numpy(), expected[name].to_numpy(), rtol=rtol, atol=1e-7, err_msg=f"{name}, {what}"
        )


def in_another_order(seed: int) -> dict[str, pl.DataFrame]:
    """Every table with its rows permuted."""
    m = rough_market()
    tables = {**m.tables, "universe": m.universe}
    return {name: rows.sample(fraction=1.0, shuffle=True, seed=seed) for name, rows in tables.items()}


def under_other_codes() -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """Every table with the codes dealt out anew, and the new code of each."""
    m = rough_market()
    codes = m.tables["daily_bars"]["Code"].unique().sort().to_list()
    new = dict(zip(codes, codes[::-1], strict=True))
    renamed = pl.col("Code").replace(new)
    tables = {**m.tables, "universe": m.universe}
    return {n: rows.with_columns(renamed) if "Code" in rows.columns else rows for n, rows in tables.items()}, new


def split_all(t: int, factor: float) -> dict[str, pl.DataFrame]:
    """The same market told with a split of every stock on session t: what was before is in other shares."""
    m = rough_market()
    ex_date = m.sessions[t]

    def before(table: str, price: tuple[str, ...], shares: tuple[str, ...]) -> pl.DataFrame:
        rows = m.tables[table]
        early = pl.col(DAY_OF[table]) < ex_date
        return rows.with_columns(
            *(pl.when(early).then(pl.col(n) / factor).otherwise(pl.col(n)).alias(n) for n in price),
            *(pl.when(early).then(pl.col(n) * factor).otherwise(pl.col(n)).alias(n) for n in shares),
        )

    bars = before("daily_bars", ("O", "H", "L", "C"), ("Vo",))
    on_the_day = pl.when(pl.col("Date") == ex_date).then(factor).otherwise(1.0)
    sides = ("ShrtVol", "LongVol", "ShrtStdVol", "LongStdVol")
    per_share = ("EPS", "BPS", "FEPS", "NxFEPS", "DivAnn", "FDivAnn", "NxFDivAnn")
    return {
        "daily_bars": bars.with_columns(AdjFactor=pl.col("AdjFactor") * on_the_day),
        "margin_interest": before("margin_interest", (), sides),
        "margin_alert": before("margin_alert", (), ("ShrtOut", "LongOut")),
        "financial_summaries": before("financial_summaries", per_share, ("ShOutFY", "TrShFY")),
    }


def as_bytes(frame: pl.DataFrame) -> bytes:
    """The frame as an Arrow file."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()
