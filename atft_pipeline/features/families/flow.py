"""Who bought and who sold in a stock's market section, week by week.

Figures are those of the section's line (see `investor_weeks`) in its newest known week; a window of n weeks holds the
newest n known ones, each in the latest version known at t. They are the same for every stock of a section.

Missing data: null where the stock's section is unknown. A source with one stretched master has no sections, and its
stocks do not get the whole market's figures instead. A mean, a sum or a deviation needs half of its weeks.
As of: a week counts if PubDate < t, the section is that of the master valid for t.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import MAX_AGE, last_known, usable_after
from atft_pipeline.features.column import Column, Feature, Kind
from atft_pipeline.features.families.investor_weeks import (
    KINDS,
    LINES,
    REACH,
    WEEKS,
    InvestorWeeks,
    investor_weeks,
    line_of_stocks,
)
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.windows import RELATIVE_ZERO, Array

INSTITUTIONS = ("TrstBnk", "InvTr")
SMART = ("Frgn", *INSTITUTIONS)
"""Whose purchases the smart-money index counts, against those of individuals."""

MONTH, QUARTER = 4, 13
"""Weeks."""


def net_ratio(weeks: InvestorWeeks, *, kinds: tuple[str, ...]) -> Array:
    """Purchases minus sales over their sum, per week [U, lines, 52]; -1 sold only .. 1 bought only."""
    return _over(weeks.net(*kinds), weeks.turnover(*kinds))


def net_ratio_month(weeks: InvestorWeeks, *, kinds: tuple[str, ...]) -> Array:
    """Net ratio of the newest four weeks together [U, lines]."""
    return _over(_mean(weeks.net(*kinds), MONTH), _mean(weeks.turnover(*kinds), MONTH))


def smart_money(weeks: InvestorWeeks) -> Array:
    """What foreigners, trust banks and investment trusts bought net, minus what individuals did, per week.

    Over the turnover of the four together, all of which must be known [U, lines, 52].
    """
    return _over(weeks.net(*SMART) - weeks.net("Ind"), weeks.turnover(*SMART, "Ind"))


def smart_money_momentum(weeks: InvestorWeeks) -> Array:
    """Mean index of four weeks minus that of thirteen [U, lines]."""
    index = smart_money(weeks)
    return _mean(index, MONTH) - _mean(index, QUARTER)


def breadth(weeks: InvestorWeeks) -> Array:
    """Share of the kinds of investors that bought net [U, lines]; needs half of the kinds."""
    net = np.stack([weeks.net(kind)[..., -1] for kind in KINDS])
    known = np.isfinite(net).sum(axis=0)
    return np.asarray((net > 0).sum(axis=0) / np.where(2 * known >= len(KINDS), known, np.nan))


def activity(weeks: InvestorWeeks) -> Array:
    """Log of the whole turnover per session over its mean of 52 weeks [U, lines]."""
    daily = weeks.values["Daily"]
    return _log(daily[..., -1]) - _log(_mean(daily, WEEKS))


def foreign_share(weeks: InvestorWeeks) -> Array:
    """Foreigners' part of the whole turnover, per week [U, lines, 52]."""
    return _over(weeks.turnover("Frgn"), weeks.turnover("Tot"))


def newest(x: Array) -> Array:
    """The newest week's value [U, lines]."""
    return x[..., -1]


def year_z(x: Array) -> Array:
    """Newest value minus the mean, over the deviation (ddof 1), of 52 weeks [U, lines]; null where it never varied."""
    known = np.isfinite(x)
    n = known.sum(axis=-1).astype(np.float64)
    n = np.where(2 * n >= WEEKS, n, np.nan)
    mean = np.where(known, x, 0.0).sum(axis=-1) / n
    squares = np.where(known, (x - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    variance = np.where(squares > RELATIVE_ZERO * n * mean * mean, squares, np.nan) / (n - 1)
    return np.asarray((newest(x) - mean) / np.sqrt(variance))


def days_since(panel: Panel) -> Array:
    """Sessions since a new week could first be used [D, 1], whatever its section; a correction is no new week."""
    first = panel.tables["investor_types"].group_by("StDate").agg(pl.col("PubDate").min()).sort("PubDate").collect()
    rows = first.with_columns(usable_after(first["PubDate"], panel.calendar).alias("usable"), Of=pl.lit("market"))
    return last_known(rows, [], panel.sessions, ["market"], by="Of").age


def _on_stocks(panel: Panel, *, of_window: Callable[[InvestorWeeks], Array]) -> Array:
    """A figure of the lines' weeks [U, lines], put on the stocks [D, C]."""
    weeks = investor_weeks(panel)
    nothing = np.full((1, len(LINES)), np.nan)
    daily = np.concatenate([of_window(weeks), nothing])[weeks.window]  # window -1 is the last row: nothing
    unknown = np.full((len(daily), 1), np.nan)
    return np.take_along_axis(np.concatenate([daily, unknown], axis=1), line_of_stocks(panel) % (len(LINES) + 1), 1)


def _mean(x: Array, length: int) -> Array:
    """Mean of the newest weeks [..., 52] -> [...]; needs half of them."""
    x = x[..., -length:]
    known = np.isfinite(x)
    n = known.sum(axis=-1)
    return np.asarray(np.where(known, x, 0.0).sum(axis=-1) / np.where(2 * n >= length, n, np.nan))


def _over(x: Array, y: Array) -> Array:
    return np.asarray(x / np.where(y > 0, y, np.nan))


def _log(x: Array) -> Array:
    return np.log(np.where(x > 0, x, np.nan))


_column = partial(
    Column,
    family="flow",
    dtype="Float32",
    scope="section",
    max_null_share=0.05,
    min_active_share=0.5,  # two sections may agree by chance; a universe of one section should leave the family out
    warmup=REACH,
    as_of="weeks with PubDate < t in the version known then; section by the master of t, unknown section: null",
)

LARGEST_Z = (WEEKS - 1) / WEEKS**0.5


def _feature(
    name: str,
    of_window: Callable[[InvestorWeeks], Array],
    formula: str,
    valid_range: tuple[float, float] = (-1.0, 1.0),
    kind: Kind = "robust_z",
) -> Feature:
    column = _column(
        name=f"flow_{name}",
        kind=kind,
        valid_range=valid_range,
        endpoints=("equities_master", "investor_types"),
        formula=formula,
    )
    return Feature(column, partial(_on_stocks, of_window=of_window))


_FOREIGN, _INDIVIDUAL = (partial(net_ratio, kinds=(kind,)) for kind in ("Frgn", "Ind"))
_Z = "(x - mean52(x)) / std52(x) over weeks, x = "
_Z_RANGE = (-LARGEST_Z - 0.01, LARGEST_Z + 0.01)

FEATURES: tuple[Feature, ...] = (
    _feature("foreign_net", lambda w: newest(_FOREIGN(w)), "(FrgnBuy - FrgnSell) / (FrgnBuy + FrgnSell), newest week"),
    _feature(
        "individual_net", lambda w: newest(_INDIVIDUAL(w)), "(IndBuy - IndSell) / (IndBuy + IndSell), newest week"
    ),
    _feature(
        "institution_net",
        lambda w: newest(net_ratio(w, kinds=INSTITUTIONS)),
        "(Buy - Sell) / (Buy + Sell) of TrstBnk and InvTr together, newest week",
    ),
    _feature(
        "foreign_net_4",
        partial(net_ratio_month, kinds=("Frgn",)),
        "sum4(FrgnBuy - FrgnSell) / sum4(FrgnBuy + FrgnSell)",
    ),
    _feature(
        "individual_net_4", partial(net_ratio_month, kinds=("Ind",)), "sum4(IndBuy - IndSell) / sum4(IndBuy + IndSell)"
    ),
    _feature("foreign_net_z_52", lambda w: year_z(_FOREIGN(w)), f"{_Z}foreign_net", _Z_RANGE),
    _feature("individual_net_z_52", lambda w: year_z(_INDIVIDUAL(w)), f"{_Z}individual_net", _Z_RANGE),
    _feature(
        "smart_money",
        lambda w: newest(smart_money(w)),
        "(net of Frgn, TrstBnk, InvTr - net of Ind) / (Buy + Sell of the four), newest week",
    ),
    _feature("smart_money_z_52", lambda w: year_z(smart_money(w)), f"{_Z}smart_money", _Z_RANGE),
    _feature("smart_money_momentum", smart_money_momentum, "mean4(smart_money) - mean13(smart_money)", (-2.0, 2.0)),
    _feature("breadth", breadth, "kinds of investors with Buy > Sell / kinds known (11), newest week", (0.0, 1.0)),
    _feature("activity", activity, "ln(x / mean52(x)), x = (TotBuy + TotSell) / sessions of the week", (-14.0, 4.0)),
    _feature(
        "foreign_share", lambda w: newest(foreign_share(w)), "(FrgnBuy + FrgnSell) / (TotBuy + TotSell)", (0.0, 1.0)
    ),
    Feature(
        Column(
            name="flow_days_since",
            family="flow",
            dtype="Float32",
            scope="market",  # all sections come on one day: over stocks it could not vary
            kind="time_series",
            valid_range=(0.0, float(MAX_AGE)),
            max_null_share=0.05,
            min_active_share=0.0,
            warmup=MAX_AGE,
            endpoints=("investor_types",),
            formula="sessions since the newest week's first publication could be used, 0 on that session",
            as_of="weeks with PubDate < t",
        ),
        days_since,
    ),
)
