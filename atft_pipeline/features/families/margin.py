"""Balances of margin trading: how much of a stock is bought on credit and sold short, against what is traded.

A balance is known from its publication on, and by the session it tells of (Date) it is at most 250 sessions old. Until
2026-09-24 there is one a week, afterwards one a day: changes and z-scores compare what was known on one session with
what was known on others, so they span the same time in both regimes, and never count rows.
Share counts are brought to the share basis of t by the AdjFactors of (Date, t]; V is the mean volume of 20 sessions
on that basis. Missing data: a stock without a balance is null; a column that the source leaves out is null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import MAX_AGE, last_known, usable_after
from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.families.margin_alert import LONGEST_RUN, designated, sessions_designated
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.placed_rows import place, read_rows
from atft_pipeline.features.windows import Array, lag, window_mean, window_std

Side = Literal["long", "short"]

WEEKLY_DELAY = 3
"""A weekly balance is published on the 2nd session of the next week, and usable from the session after that."""


@dataclass(frozen=True, eq=False)
class Balances:
    """Known balances on the panel's grid [D, C]: shares times the share basis of the session they are of.

    Attributes:
        long, short: all margin purchases and short sales.
        long_standard, short_standard: those under standardized terms.
        at: the panel's place of the session that they are of.
        age: sessions since they could first be used.
    """

    long: Array
    short: Array
    long_standard: Array
    short_standard: Array
    at: Array
    age: Array

    def of(self, side: Side) -> Array:
        """One side's balance."""
        return self.long if side == "long" else self.short

    def total(self) -> Array:
        """Long and short together, NaN where it is 0."""
        both = self.long + self.short
        return np.where(both > 0, both, np.nan)

    def imbalance(self) -> Array:
        """`(L - S) / (L + S)`."""
        return np.asarray((self.long - self.short) / self.total())


def balances(panel: Panel) -> Balances:
    """The newest known balance of each stock and session."""
    return panel.once("margin_interest", lambda: _balances(panel))


def balance_to_adv(panel: Panel, *, side: Side) -> Array:
    """Balance in days of trading, as a logarithm."""
    return np.asarray(np.log1p(balances(panel).of(side) / _daily_volume(panel)))


def balance_change(panel: Panel, *, side: Side) -> Array:
    """Change of the balance over 20 sessions; one day's volume is added to both, so that 0 shares are no trouble."""
    held, volume = balances(panel).of(side), _daily_volume(panel)
    return np.log((held + volume) / (lag(held, 20) + volume))


def balance_z(panel: Panel, *, side: Side) -> Array:
    """Balance in standard deviations from its mean over 250 sessions; 0 where it never moved."""
    held = balances(panel).of(side)
    deviation = window_std(held, 250)
    score = (held - window_mean(held, 250)) / np.where(deviation > 0, deviation, np.nan)
    return np.where((deviation == 0) & np.isfinite(held), 0.0, score)


def imbalance(panel: Panel) -> Array:
    """Longs minus shorts over both."""
    return balances(panel).imbalance()


def imbalance_change(panel: Panel) -> Array:
    """Change of the imbalance over 20 sessions."""
    now = balances(panel).imbalance()
    return now - lag(now, 20)


def long_standard_share(panel: Panel) -> Array:
    """Share of the longs that is under standardized terms."""
    held = balances(panel)
    return np.clip(held.long_standard / np.where(held.long > 0, held.long, np.nan), 0.0, 1.0)


def short_standard_share(panel: Panel) -> Array:
    """Standardized shorts over all that is held: 0, and not unknown, where nothing can be sold short."""
    held = balances(panel)
    return np.clip(held.short_standard / held.total(), 0.0, 1.0)


def days_since(panel: Panel) -> Array:
    """Sessions since the balance could first be used."""
    return balances(panel).age


def newer_balance(panel: Panel, *, side: Side) -> Array:
    """How far a designated stock's daily balance has moved from the known one; 0 where there is no newer one."""
    held, watch, volume = balances(panel), designated(panel), _daily_volume(panel)
    known = held.of(side)
    newer = np.where(watch.at > held.at, watch.of(side), known)
    return np.log((newer + volume) / (known + volume))


def _balances(panel: Panel) -> Balances:
    columns = {"long": "LongVol", "short": "ShrtVol", "long_standard": "LongStdVol", "short_standard": "ShrtStdVol"}
    rows = read_rows(panel, "margin_interest", ("Code", "PubDate", "Date", *columns.values()))
    week_end = rows["Date"].dt.truncate("1w").dt.offset_by("6d")
    daily = usable_after(rows["PubDate"], panel.calendar)
    weekly = usable_after(week_end, panel.calendar, WEEKLY_DELAY)
    rows = rows.with_columns(usable=pl.when(pl.col("PubDate").is_null()).then(weekly).otherwise(daily))
    rows = place(rows.filter(pl.col("usable").is_not_null()), panel, "Date").sort("usable", "Date", "PubDate")
    rows = rows.filter(pl.col("Date") >= pl.col("Date").cum_max().over("Code"))  # late news of old days is no news
    rows = rows.with_columns(**{name: pl.col(column) * pl.col("basis") for name, column in columns.items()})
    known = last_known(rows, (*columns, "at"), panel.sessions, panel.codes)
    session = np.arange(len(panel.sessions), dtype=np.float64)[:, None]
    fresh = session - known.values["at"] <= MAX_AGE
    values = {name: np.where(fresh, grid, np.nan) for name, grid in known.values.items()}
    return Balances(age=np.where(fresh, known.age, np.nan), **values)


def _daily_volume(panel: Panel) -> Array:
    """Mean volume of 20 sessions, shares times the basis of their sessions; NaN where it is 0."""
    mean = panel.once("margin_volume", lambda: window_mean(panel.prices.volume * panel.prices.basis, 20))
    return np.where(mean > 0, mean, np.nan)


INTEREST = "balances with PubDate < t; without PubDate from the 3rd session of the week after Date: always Date <= t"
ALERT = "rows about the session before t with PubDate <= t"

_column = partial(
    Column,
    family="margin",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    max_null_share=0.15,
    min_active_share=0.95,
    warmup=MAX_AGE,
    endpoints=("margin_interest",),
    as_of=INTEREST,
)
_with_volume = partial(_column, endpoints=("margin_interest", "daily_bars"))
_of_alerts = partial(
    _column,
    max_null_share=0.01,
    min_active_share=0.0,  # in a calm month no stock need be designated
    endpoints=("margin_alert",),
    as_of=ALERT,
)


def _both_sides(
    name: str, compute: Callable[..., Array], formula: str, valid_range: tuple[float, float], **promise: object
) -> tuple[Feature, ...]:
    make = partial(_with_volume, **promise)
    return tuple(
        Feature(
            make(name=f"margin_{side}_{name}", valid_range=valid_range, formula=formula.replace("B", balance)),
            partial(compute, side=side),
        )
        for side, balance in (("long", "L"), ("short", "S"))
    )


FEATURES: tuple[Feature, ...] = (
    *_both_sides("to_adv", balance_to_adv, "ln(1 + B / V), V = mean20(Vo), shares on the basis of t", (0.0, 25.0)),
    Feature(
        _column(
            name="margin_imbalance",
            kind="rank_gauss",
            valid_range=(-1.0, 1.0),
            formula="(L - S) / (L + S)",
        ),
        imbalance,
    ),
    *_both_sides(
        "change_20",
        balance_change,
        "ln((B_t + V) / (B_(t-20) + V)), B_s the balance known on s, V = mean20(Vo), shares on the basis of t",
        (-25.0, 25.0),
        warmup=20 + MAX_AGE,
    ),
    Feature(
        _column(
            name="margin_imbalance_change_20",
            valid_range=(-2.0, 2.0),
            warmup=20 + MAX_AGE,
            formula="(L - S) / (L + S), known on t minus known on t-20",
        ),
        imbalance_change,
    ),
    *_both_sides(
        "z_250",
        balance_z,
        "(B - mean) / std of what was known on each of 250 sessions, shares on the basis of t; 0 if std = 0",
        (-16.0, 16.0),
        max_null_share=0.3,
        warmup=249 + MAX_AGE,
    ),
    Feature(
        _column(
            name="margin_long_standard_share",
            kind="rank_gauss",
            valid_range=(0.0, 1.0),
            formula="LongStdVol / LongVol",
        ),
        long_standard_share,
    ),
    Feature(
        _column(
            name="margin_short_standard_share",
            kind="rank_gauss",
            valid_range=(0.0, 1.0),
            formula="ShrtStdVol / (LongVol + ShrtVol)",
        ),
        short_standard_share,
    ),
    Feature(
        _column(
            name="margin_days_since",
            kind="rank_gauss",
            valid_range=(0.0, float(MAX_AGE)),
            min_active_share=0.0,  # the whole market is published at once
            formula="sessions since the balance could first be used",
        ),
        days_since,
    ),
    Feature(
        _of_alerts(
            name="margin_designated",
            kind="flag",
            valid_range=(0.0, 1.0),
            warmup=1,
            formula="1 if a daily balance was published on t, else 0",
        ),
        lambda panel: designated(panel).on,
    ),
    Feature(
        _of_alerts(
            name="margin_restricted",
            kind="flag",
            valid_range=(0.0, 1.0),
            warmup=1,
            formula="1 if designated with PubReason.Restricted or RestrictedByJSF, or TSEMrgnRegCls 003 to 006, else 0",
        ),
        lambda panel: designated(panel).restricted,
    ),
    Feature(
        _of_alerts(
            name="margin_designated_sessions",
            kind="rank_gauss",
            valid_range=(0.0, float(LONGEST_RUN)),
            warmup=LONGEST_RUN,
            formula="sessions in a row designated, up to 60; 0 if not designated",
        ),
        sessions_designated,
    ),
    *_both_sides(
        "newer",
        newer_balance,
        "ln((N + V) / (B + V)), N the alert's balance where it is of a later session than B, else B; V = mean20(Vo)",
        (-25.0, 25.0),
        kind="rank_gauss",  # nearly all are 0
        min_active_share=0.0,
        endpoints=("margin_alert", "margin_interest", "daily_bars"),
        as_of=f"{INTEREST}; alerts: {ALERT}",
    ),
)
