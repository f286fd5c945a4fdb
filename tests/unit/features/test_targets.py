"""Forward returns against a loop over the rows, with splits, halts, a delisting and an unfinished month."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.targets import compute_targets
from tests.market import TinyMarket, tiny_market

DAYS = [date(2021, 3, 1) + timedelta(days=i) for i in range(8)]
Row = tuple[float | None, float | None, float]


def targets(rows: dict[str, list[Row | None]], horizons: tuple[int, ...] = (2,), day: int = 0) -> dict[str, object]:
    """Targets of code 13010 on one day; rows are (O, C, AdjFactor) per session, None for no row at all."""
    bars = pl.DataFrame(
        [
            {"Date": DAYS[i], "Code": code, "O": row[0], "C": row[1], "AdjFactor": row[2]}
            for code, series in rows.items()
            for i, row in enumerate(series)
            if row is not None
        ],
        schema={"Date": pl.Date, "Code": pl.String, "O": pl.Float64, "C": pl.Float64, "AdjFactor": pl.Float64},
    )
    universe = pl.DataFrame({"Date": [DAYS[day]], "Code": ["13010"], "in_universe": [True]})
    frame = compute_targets(bars.lazy(), TradingCalendar.from_days(DAYS), universe, horizons, DAYS[day], DAYS[day])
    return frame.row(0, named=True)


MARKET: list[Row | None] = [(1.0, 1.0, 1.0)] * 6


def test_both_entries_over_a_split() -> None:
    """100 at t; on t+1 a 1:2 split, open 52; on t+2 close 60: 120 for 100, and 60 for 52."""
    row = targets({"13010": [(99.0, 100.0, 1.0), (52.0, 55.0, 0.5), (57.0, 60.0, 1.0)], "99990": MARKET})
    assert row["close_2"] == pytest.approx(0.2)
    assert row["next_open_2"] == pytest.approx(60 / 52 - 1)
    assert (row["stale_exit_2"], row["delisted_2"]) == (False, False)


def test_a_split_on_the_exit_day_counts_for_both() -> None:
    """1:2 on t+2: one share of t and one bought on t+1 are both two by then."""
    row = targets({"13010": [(99.0, 100.0, 1.0), (104.0, 100.0, 1.0), (50.0, 52.0, 0.5)], "99990": MARKET})
    assert row["close_2"] == pytest.approx(0.04)
    assert row["next_open_2"] == pytest.approx(0.0)


def test_halted_at_the_exit() -> None:
    """No close on t+2: the close of t+1, flagged."""
    stock: list[Row | None] = [(99.0, 100.0, 1.0), (102.0, 110.0, 1.0), (None, None, 1.0), (1.0, 120.0, 1.0)]
    row = targets({"13010": stock, "99990": MARKET})
    assert row["close_2"] == pytest.approx(0.1)
    assert row["next_open_2"] == pytest.approx(110 / 102 - 1)
    assert (row["stale_exit_2"], row["delisted_2"]) == (True, False)


def test_halted_throughout_is_unknown() -> None:
    """Nothing to exit at, and the stock still exists."""
    stock: list[Row | None] = [(99.0, 100.0, 1.0), (None, None, 1.0), (None, None, 1.0), (1.0, 120.0, 1.0)]
    row = targets({"13010": stock, "99990": MARKET})
    assert (row["close_2"], row["next_open_2"], row["stale_exit_2"]) == (None, None, False)


def test_delisted_exits_at_the_last_trade() -> None:
    """Gone after t+1 with a last close of 70."""
    row = targets({"13010": [(99.0, 100.0, 1.0), (80.0, 70.0, 1.0)], "99990": MARKET})
    assert row["close_2"] == pytest.approx(-0.3)
    assert row["next_open_2"] == pytest.approx(70 / 80 - 1)
    assert (row["stale_exit_2"], row["delisted_2"]) == (False, True)


def test_delisted_without_another_trade_keeps_the_last_price() -> None:
    """The last trade was the one of t: 0 for its holder, and nobody could enter at an open of t+1."""
    row = targets({"13010": [(99.0, 100.0, 1.0)], "99990": MARKET})
    assert (row["close_2"], row["next_open_2"], row["delisted_2"]) == (0.0, None, True)


def test_the_last_sessions_are_not_a_delisting() -> None:
    """The market's data end on t+1: what happens on t+2 is not known yet."""
    row = targets({"13010": [(99.0, 100.0, 1.0), (80.0, 70.0, 1.0)], "99990": MARKET[:2]}, horizons=(1, 2))
    assert row["close_1"] == pytest.approx(-0.3)
    assert (row["close_2"], row["next_open_2"], row["delisted_2"]) == (None, None, False)


def test_no_price_on_t_or_no_open_after_it() -> None:
    """Each entry needs its own price."""
    stock: list[Row | None] = [(None, None, 1.0), (80.0, 70.0, 1.0), (80.0, 77.0, 1.0), (None, None, 1.0)]
    suspended = targets({"13010": stock, "99990": MARKET})
    assert suspended["close_2"] is None
    assert suspended["next_open_2"] == pytest.approx(77 / 80 - 1)
    closed = targets({"13010": [*stock[1:], (1.0, 88.0, 1.0)], "99990": MARKET}, horizons=(3,), day=1)
    assert closed["close_3"] == pytest.approx(88 / 77 - 1)
    assert closed["next_open_3"] is None


def brute_force(market: TinyMarket, day: int, code: str, h: int) -> tuple[float | None, float | None, bool, bool]:
    """The definition, row by row."""
    rows = {row["Date"]: row for row in market.bars.filter(pl.col("Code") == code).iter_rows(named=True)}
    sessions = market.sessions
    if day + h >= len(sessions):
        return None, None, False, False
    steps = [rows.get(sessions[day + k]) for k in range(h + 1)]
    gone = max(rows) < sessions[day + h]
    factor, last, last_at_open = 1.0, None, None
    from_open = 1.0
    for k in range(1, h + 1):
        row = steps[k]
        own = row["AdjFactor"] if row else 1.0
        factor *= own
        from_open *= own if k > 1 else 1.0
        if row and row["C"] is not None:
            last, last_at_open = row["C"] / factor, row["C"] / from_open
    stale = steps[h] is None or steps[h]["C"] is None  # type: ignore[index]
    now, after = steps[0], steps[1]
    entry = now["C"] if now else None
    start = after["O"] if after else None
    if last is None and stale and gone:
        last = entry
    close = None if entry is None or last is None else last / entry - 1
    opened = None if start is None or last_at_open is None else last_at_open / start - 1
    known = close is not None or opened is not None
    return close, opened, known and stale and not gone, known and stale and gone


@pytest.mark.parametrize("h", [1, 5, 20])
def test_targets_equal_a_loop_over_the_rows(h: int) -> None:
    """Whole market: splits both ways, scattered and long halts, a listing, a delisting, the open end."""
    market = tiny_market(n_codes=7, n_sessions=120, halt_share=0.15)
    frame = compute_targets(
        market.bars.lazy(),
        TradingCalendar.from_frame(market.calendar),
        market.universe,
        (h,),
        market.sessions[0],
        market.sessions[-1],
    )
    position = {day: i for i, day in enumerate(market.sessions)}
    assert frame.height == market.universe.height
    for row in frame.iter_rows(named=True):
        close, opened, stale, delisted = brute_force(market, position[row["Date"]], row["Code"], h)
        assert row[f"close_{h}"] == (None if close is None else pytest.approx(close, abs=1e-12))
        assert row[f"next_open_{h}"] == (None if opened is None else pytest.approx(opened, abs=1e-12))
        assert (row[f"stale_exit_{h}"], row[f"delisted_{h}"]) == (stale, delisted)
    assert frame[f"stale_exit_{h}"].sum() > 0 or h == 1
    assert frame[f"delisted_{h}"].sum() > 0


def test_only_members_of_the_period_have_targets() -> None:
    """Rows outside the universe or the period are left out."""
    market = tiny_market(n_codes=6, n_sessions=60)
    universe = market.universe.with_columns(in_universe=pl.col("Code") != market.codes[0])
    frame = compute_targets(
        market.bars.lazy(),
        TradingCalendar.from_frame(market.calendar),
        universe,
        (1, 5),
        market.sessions[10],
        market.sessions[12],
    )
    assert frame["Date"].unique().sort().to_list() == list(market.sessions[10:13])
    assert market.codes[0] not in frame["Code"]
    assert frame.columns == [
        "Date",
        "Code",
        *(f"{name}_{h}" for h in (1, 5) for name in ("close", "next_open", "stale_exit", "delisted")),
    ]
