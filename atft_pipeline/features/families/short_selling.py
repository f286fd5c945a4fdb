"""How much of a sector's selling is short, and how much of a stock large holders have reported sold short.

Sector: yen sold on the session by S33. Missing data: null on a session without rows (2020-10-01) and for a stock
without an industry; windows need half of their sessions. As of: Date <= t (16:30).

Reports: positions of 0.5% of the shares outstanding or more, per holder, client and fund. The last report of each
stands until the next, for 250 sessions at most. Absence is a fact here: who does not report is below 0.5%, so a stock
without a standing report has position 0, and a report below 0.5% (an exit) ends a position. Where no report of ANY
stock came in 250 sessions, the source does not reach back, and everything is null. A report without a ratio is left
out. As of: DiscDate < t (17:30), never CalcDate. Ratios to shares outstanding need no adjustment for splits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import MAX_AGE, last_known, usable_after, usable_on
from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.spells import with_places
from atft_pipeline.features.windows import Array, lag, window_mean, window_std

THRESHOLD = 0.005
"""Ratio to shares outstanding from which a position is published."""

ROUNDING = 1e-9
"""Ratios before 2026-01-13 carry the noise of binary fractions."""

HOLDER = ("SSName", "DICName", "FundName")
SHORT, LONG, SEASON = 5, 20, 60


@dataclass(frozen=True, eq=False)
class Reported:
    """Standing reports of each stock on each session, [D, C]; NaN where the source does not reach back.

    Attributes:
        position: sum of the holders' ratios to shares outstanding.
        holders: how many.
        age: sessions since the last report of any holder, capped at 250.
    """

    position: Array
    holders: Array
    age: Array


def short_share(panel: Panel) -> Array:
    """Part of the sector's selling that is short [D, sectors]."""
    sold = _sold(panel)
    short = sold["ShrtWithResVa"] + sold["ShrtNoResVa"]
    return _over(short, short + sold["SellExShortVa"])


def free_share(panel: Panel) -> Array:
    """Part of the sector's short selling that is free of the price restriction [D, sectors]."""
    sold = _sold(panel)
    return _over(sold["ShrtNoResVa"], sold["ShrtWithResVa"] + sold["ShrtNoResVa"])


def share_change(panel: Panel) -> Array:
    """Short share minus that of five sessions ago [D, sectors]."""
    share = short_share(panel)
    return share - lag(share, SHORT)


def share_momentum(panel: Panel) -> Array:
    """Mean short share of five sessions minus that of twenty [D, sectors]."""
    share = short_share(panel)
    return window_mean(share, SHORT) - window_mean(share, LONG)


def share_z(panel: Panel) -> Array:
    """Short share minus its mean, over its deviation, of 60 sessions [D, sectors]; null where it never varied."""
    share = short_share(panel)
    deviation = window_std(share, SEASON)
    return (share - window_mean(share, SEASON)) / np.where(deviation > 0, deviation, np.nan)


def position_change(panel: Panel, *, sessions: int) -> Array:
    """Reported positions minus those of `sessions` ago [D, C]."""
    position = reported(panel).position
    return position - lag(position, sessions)


def reported(panel: Panel) -> Reported:
    """The standing reports, made once for a panel."""
    return panel.once("reported short positions", lambda: _reported(panel))


def _sold(panel: Panel) -> Mapping[str, Array]:
    """Yen sold by sector [D, sectors], of the session itself."""

    def made() -> Mapping[str, Array]:
        columns = ("SellExShortVa", "ShrtWithResVa", "ShrtNoResVa")
        rows = panel.tables["short_ratio"].select("Date", "S33", *columns).sort("Date", "S33").collect()
        rows = rows.with_columns(usable_on(rows["Date"], panel.calendar).alias("usable"))
        return last_known(rows, columns, panel.sessions, panel.labels["s33"], by="S33", max_age=0).values

    return panel.once("yen sold by sector", made)


def _on_stocks(panel: Panel, *, of_sectors: Callable[[Panel], Array]) -> Array:
    """A figure of the sectors [D, sectors] on their stocks [D, C]."""
    by_sector = of_sectors(panel)
    unknown = np.full((len(by_sector), 1), np.nan)
    known = np.concatenate([by_sector, unknown], axis=1)
    return np.take_along_axis(known, panel.s33 % known.shape[1], axis=1)  # -1 is the last column: unknown


def _reported(panel: Panel) -> Reported:
    table = panel.tables["short_sale_report"]
    absent = [name for name in HOLDER if name not in table.collect_schema().names()]
    rows = (
        table.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
        .filter(pl.col("ShrtPosToSO").is_not_null())
        .select("DiscDate", "CalcDate", "Code", "ShrtPosToSO", *(_plain(name) for name in HOLDER))
        .sort("Code", *HOLDER, "DiscDate", "CalcDate", "ShrtPosToSO")
        .collect()
    )
    rows = rows.with_columns(usable_after(rows["DiscDate"], panel.calendar).alias("usable"), Of=pl.lit("market"))
    shape = (len(panel.codes), len(panel.sessions))
    position, holders = np.zeros(shape), np.zeros(shape)
    placed = with_places(rows, panel, ["Code", *HOLDER])
    standing = placed.filter(pl.col("ShrtPosToSO") >= THRESHOLD - ROUNDING)
    for stock, place, until, ratio in standing.select("stock", "place", "until", "ShrtPosToSO").iter_rows():
        span = slice(max(place, 0), max(min(until, place + MAX_AGE + 1), 0))
        position[stock, span] += ratio
        holders[stock, span] += 1
    age = last_known(rows, [], panel.sessions, panel.codes).age
    source = np.isfinite(last_known(rows, [], panel.sessions, ["market"], by="Of").age)
    return Reported(
        position=np.where(source, position.T, np.nan),
        holders=np.where(source, holders.T, np.nan),
        age=np.where(source, np.where(np.isnan(age), MAX_AGE, age), np.nan),
    )


def _plain(name: str) -> pl.Expr:
    """A name without its spelling: widths, capitals, blanks and points differ from report to report."""
    return pl.col(name).fill_null("").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s.,・]+", "")


def _over(x: Array, y: Array) -> Array:
    return np.asarray(x / np.where(y > 0, y, np.nan))


_column = partial(Column, family="short_selling", dtype="Float32")
_sector = partial(
    _column,
    scope="sector",
    kind="robust_z",
    max_null_share=0.05,
    min_active_share=0.95,
    endpoints=("equities_master", "short_ratio"),
    as_of="rows with Date <= t, master valid for t",
)
_report = partial(
    _column,
    scope="stock",
    kind="rank_gauss",  # most stocks have none: a deviation from the median says little
    max_null_share=0.05,
    endpoints=("short_sale_report",),
    as_of="reports with DiscDate < t; no report is a position of 0, no report in the whole market is null",
)

LARGEST_Z = (SEASON - 1) / SEASON**0.5 + 0.01
LARGEST_POSITION = 2.0
"""Shares lent on by their buyers can be sold short twice."""

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            _sector(name=name, valid_range=valid_range, warmup=warmup, formula=formula),
            partial(_on_stocks, of_sectors=compute),
        )
        for name, compute, valid_range, warmup, formula in (
            (
                "sector_short_share",
                short_share,
                (0.0, 1.0),
                0,
                "(ShrtWithResVa + ShrtNoResVa) / (SellExShortVa + ShrtWithResVa + ShrtNoResVa) of the S33",
            ),
            ("sector_short_free", free_share, (0.0, 1.0), 0, "ShrtNoResVa / (ShrtWithResVa + ShrtNoResVa) of the S33"),
            (
                "sector_short_change_5",
                share_change,
                (-1.0, 1.0),
                SHORT,
                "sector_short_share_t - sector_short_share_(t-5)",
            ),
            (
                "sector_short_momentum",
                share_momentum,
                (-1.0, 1.0),
                LONG - 1,
                "mean5(sector_short_share) - mean20(sector_short_share)",
            ),
            (
                "sector_short_z_60",
                share_z,
                (-LARGEST_Z, LARGEST_Z),
                SEASON - 1,
                "(x - mean60(x)) / std60(x), x = sector_short_share",
            ),
        )
    ),
    Feature(
        _report(
            name="short_position",
            valid_range=(0.0, LARGEST_POSITION),
            min_active_share=0.2,
            warmup=MAX_AGE,
            formula="sum over holders of the last reported ShrtPosToSO, where it is 0.005 or more",
        ),
        lambda panel: reported(panel).position,
    ),
    *(
        Feature(
            _report(
                name=f"short_position_change_{n}",
                valid_range=(-LARGEST_POSITION, LARGEST_POSITION),
                min_active_share=active,
                warmup=MAX_AGE + n,
                formula=f"short_position_t - short_position_(t-{n})",
            ),
            partial(position_change, sessions=n),
        )
        for n, active in ((SHORT, 0.05), (LONG, 0.1))
    ),
    Feature(
        _report(
            name="short_holders",
            valid_range=(0.0, 100.0),
            min_active_share=0.2,
            warmup=MAX_AGE,
            formula="holders whose last reported ShrtPosToSO is 0.005 or more",
        ),
        lambda panel: reported(panel).holders,
    ),
    Feature(
        _report(
            name="short_report_days_since",
            valid_range=(0.0, float(MAX_AGE)),
            min_active_share=0.2,
            warmup=MAX_AGE,
            formula="sessions since the stock's last report could be used, capped at 250; 250 if there was none",
        ),
        lambda panel: reported(panel).age,
    ),
)
