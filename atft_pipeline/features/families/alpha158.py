"""Qlib's Alpha158: the same names in lower case, the same values, gaps included.

Prices are at the share basis of t, VWAP is `Va / Vo`. Windows are Qlib's: what is observed among the last d sessions
is used, one observation being enough for a mean and two for a deviation (ddof 1).

Missing data, as in Qlib: a session without a trade is a row of gaps. What compares with the day's price or volume is
null on it. `Ref(x, n)` is the session n before, not the trade. A comparison with a gap is false, so CNT counts it as a
session without a move. A window with a gap among the highs has its highest place at the first gap (numpy's argmax);
likewise the lows. R squared and correlations are null where a deviation is at most 2e-5. Divisors carry Qlib's 1e-12.

One thing Qlib takes from a file must be said here: a stock's rows begin at its first trade; a stock without a trade
for 119 sessions begins anew. IMAX, IMIN, IMXD and CNT alone can tell a session before that from a gap.

Source: microsoft/qlib, `Alpha158DL` in qlib/contrib/data/loader.py and the operators in qlib/data/ops.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.column import Column, Feature, Kind
from atft_pipeline.features.cores import over_parts
from atft_pipeline.features.panel import Panel

WINDOWS = (5, 10, 20, 30, 60)
"""Sessions of each rolling operator."""

FIRST_TRADE = 119
"""Warm-up of what depends on the stock's first row."""

STOCKS_AT_ONCE = 16
"""One cache line of output per session and column."""


@dataclass(frozen=True)
class Operator:
    """One formula of Alpha158, for the day or, with `{d}` in it, for each window.

    Attributes:
        name: Qlib's, in lower case.
        formula: O H L C V as at the share basis of t, W the day's VWAP; x' is x of the session before.
        valid_range: least and greatest value that can be true.
        before: sessions that it needs before its window, or None for those of the stock's first row.
        kind: how it is normalized.
        max_null_share: as in the contract.
        min_active_share: as in the contract.
    """

    name: str
    formula: str
    valid_range: tuple[float, float]
    before: int | None = 0
    kind: Kind = "robust_z"
    max_null_share: float = 0.1
    min_active_share: float = 0.95


SHARE, BALANCE = (0.0, 1.0), (-1.0, 1.0)
RATIO = (0.02, 20.0)
VOLUMES = (0.0, 1e24)
"""Up to 1e12 shares over Qlib's 1e-12, if a source knows trades without volume."""

ONE_GAP_FOR_ALL = 0.7
"""A session without a price anywhere, 2020-10-01, is every stock's first gap for as long as it is in the window."""

OF_THE_DAY = (
    Operator("kmid", "(C - O) / O", (-0.9, 4.0)),
    Operator("klen", "(H - L) / O", (0.0, 5.0)),
    Operator("kmid2", "(C - O) / (H - L + 1e-12)", BALANCE),
    Operator("kup", "(H - max(O, C)) / O", (0.0, 5.0)),
    Operator("kup2", "(H - max(O, C)) / (H - L + 1e-12)", SHARE),
    Operator("klow", "(min(O, C) - L) / O", SHARE),
    Operator("klow2", "(min(O, C) - L) / (H - L + 1e-12)", SHARE),
    Operator("ksft", "(2 C - H - L) / O", (-5.0, 5.0)),
    Operator("ksft2", "(2 C - H - L) / (H - L + 1e-12)", BALANCE),
    Operator("open0", "O / C", (0.1, 10.0)),
    Operator("high0", "H / C", (1.0, 10.0)),
    Operator("low0", "L / C", (0.1, 1.0)),
    Operator("vwap0", "W / C", (0.1, 10.0)),
)

OF_WINDOWS = (
    Operator("roc", "C_(t-{d}) / C", RATIO, before=1, max_null_share=0.2),
    Operator("ma", "mean{d}(C) / C", RATIO),
    Operator("std", "std{d}(C) / C", (0.0, 20.0)),
    Operator("beta", "slope{d}(C) / C, on the session's number", (-10.0, 10.0)),
    Operator("rsqr", "R squared of the regression of beta{d}", SHARE, max_null_share=0.2),
    Operator("resi", "(C - fit at t of the regression of beta{d}) / C", (-20.0, 20.0)),
    Operator("max", "max{d}(H) / C", (1.0, 20.0)),
    Operator("min", "min{d}(L) / C", SHARE),
    Operator("qtlu", "quantile{d}(C, .8) / C, interpolated", RATIO),
    Operator("qtld", "quantile{d}(C, .2) / C, interpolated", RATIO),
    Operator("rank", "average rank of C in {d} sessions / observations", SHARE, kind="rank_gauss"),
    Operator("rsv", "(C - min{d}(L)) / (max{d}(H) - min{d}(L) + 1e-12)", SHARE),
    Operator(
        "imax",
        "place of the first max{d}(H), 1 oldest, / {d}",
        SHARE,
        before=None,
        kind="rank_gauss",
        min_active_share=ONE_GAP_FOR_ALL,
    ),
    Operator(
        "imin",
        "place of the first min{d}(L), 1 oldest, / {d}",
        SHARE,
        before=None,
        kind="rank_gauss",
        min_active_share=ONE_GAP_FOR_ALL,
    ),
    Operator("imxd", "imax{d} - imin{d}", BALANCE, before=None, kind="rank_gauss", min_active_share=ONE_GAP_FOR_ALL),
    Operator("corr", "corr{d}(C, ln(V + 1))", BALANCE, max_null_share=0.2),
    Operator("cord", "corr{d}(C / C', ln(V / V' + 1))", BALANCE, before=1, max_null_share=0.2),
    Operator("cntp", "mean{d}(C > C')", SHARE, before=None, kind="rank_gauss"),
    Operator("cntn", "mean{d}(C < C')", SHARE, before=None, kind="rank_gauss"),
    Operator("cntd", "cntp{d} - cntn{d}", BALANCE, before=None, kind="rank_gauss"),
    Operator("sump", "sum{d}(max(C - C', 0)) / (sum{d}(|C - C'|) + 1e-12)", SHARE, before=1),
    Operator("sumn", "sum{d}(max(C' - C, 0)) / (sum{d}(|C - C'|) + 1e-12)", SHARE, before=1),
    Operator("sumd", "sump{d} - sumn{d}", BALANCE, before=1),
    Operator("vma", "mean{d}(V) / (V + 1e-12)", VOLUMES, kind="rank_gauss"),
    Operator("vstd", "std{d}(V) / (V + 1e-12)", VOLUMES, kind="rank_gauss"),
    Operator("wvma", "std{d}(w) / (mean{d}(w) + 1e-12), w = |C / C' - 1| V", (0.0, 8.0), before=1),
    Operator("vsump", "sum{d}(max(V - V', 0)) / (sum{d}(|V - V'|) + 1e-12)", SHARE, before=1),
    Operator("vsumn", "sum{d}(max(V' - V, 0)) / (sum{d}(|V - V'|) + 1e-12)", SHARE, before=1),
    Operator("vsumd", "vsump{d} - vsumn{d}", BALANCE, before=1),
)


def values(panel: Panel) -> NDArray[np.float32]:
    """All 158 columns at the panel's cells [158, cells], computed once; NaN or infinite where unknown."""
    return panel.once("alpha158", lambda: _computed(panel))


def _computed(panel: Panel) -> NDArray[np.float32]:
    from atft_pipeline.features.families.alpha158_kernel import fill

    out = np.empty((len(OF_THE_DAY) + len(OF_WINDOWS) * len(WINDOWS), len(panel.cells)), dtype=np.float32)
    if len(panel.cells):
        prices = panel.prices
        bars = np.stack([prices.open, prices.high, prices.low, prices.close, prices.volume, prices.value])
        factor = np.ascontiguousarray(prices.factor)
        place = np.full(panel.member.size, -1, dtype=np.int32)
        place[panel.cells] = np.arange(len(panel.cells))
        place = place.reshape(panel.member.shape)[int(panel.member.any(axis=1).argmax()) :]
        over_parts(lambda first, last: fill(bars, factor, place, first, last, out), len(panel.codes), STOCKS_AT_ONCE)
    return out


def _column_values(panel: Panel, *, number: int) -> NDArray[np.float32]:
    column: NDArray[np.float32] = values(panel)[number]
    return column


def _columns() -> tuple[Column, ...]:
    pairs = [(operator, 0) for operator in OF_THE_DAY]
    pairs += [(operator, d) for operator in OF_WINDOWS for d in WINDOWS]
    return tuple(
        Column(
            name=operator.name + (str(d) if d else ""),
            family="alpha158",
            dtype="Float32",
            scope="stock",
            kind=operator.kind,
            valid_range=operator.valid_range,
            max_null_share=operator.max_null_share,
            min_active_share=operator.min_active_share,
            warmup=FIRST_TRADE if operator.before is None else max(d - 1, 0) + operator.before,
            endpoints=("daily_bars",),
            formula=operator.formula.format(d=d),
            as_of="bars with Date <= t",
        )
        for operator, d in pairs
    )


FEATURES: tuple[Feature, ...] = tuple(
    Feature(column, partial(_column_values, number=number)) for number, column in enumerate(_columns())
)
