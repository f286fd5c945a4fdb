"""One stock against the market: betas, what they leave over, relative strength.

Missing data: regressions use the sessions on which both the stock and TOPIX have a return from the session before,
so a return over a halt never meets one of a single session; at least half of the window, and a quarter for up and
down markets.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import STALE_AFTER, Panel
from atft_pipeline.features.windows import Array, regression, window_std


def beta(panel: Panel, *, sessions: int) -> Array:
    """Slope of the stock's daily return on TOPIX's."""
    return _on_the_market(panel, sessions)[0]


def _on_the_market(panel: Panel, sessions: int) -> tuple[Array, Array]:
    own, market = panel.prices.session_return, panel.topix.session_return
    return panel.once(("on the market", sessions), lambda: regression(own, market, sessions))


def alpha(panel: Panel, *, sessions: int) -> Array:
    """Return of the stock that beta times the market's does not explain."""
    own, market = (prices.past_return(sessions) for prices in (panel.prices, panel.topix))
    return own - beta(panel, sessions=60) * market


def idiosyncratic_volatility(panel: Panel) -> Array:
    """Standard deviation of the regression's residuals."""
    return _on_the_market(panel, 60)[1]


def relative_strength(panel: Panel, *, sessions: int) -> Array:
    """Log of the stock's growth over the market's."""
    return np.log1p(panel.prices.past_return(sessions)) - np.log1p(panel.topix.past_return(sessions))


def beta_stability(panel: Panel) -> Array:
    """How much the 20-session beta moved in 60 sessions: its standard deviation."""
    return window_std(beta(panel, sessions=20), 60)


def one_sided_beta(panel: Panel, *, sign: int) -> Array:
    """Beta over the sessions on which TOPIX rose (sign 1) or fell (sign -1)."""
    market = panel.topix.session_return
    chosen = np.where(np.sign(market) == sign, market, np.nan)
    return regression(panel.prices.session_return, chosen, 60, min_count=15)[0]


_column = partial(
    Column,
    family="cross_market",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    max_null_share=0.1,
    min_active_share=0.95,
    endpoints=("daily_bars", "topix"),
    as_of="bars and TOPIX with Date <= t",
)

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            _column(
                name=f"beta_{n}",
                valid_range=(-limit, limit),
                warmup=n,
                formula=f"cov{n}(r, m) / var{n}(m), m the return of TOPIX",
            ),
            partial(beta, sessions=n),
        )
        for n, limit in ((20, 200.0), (60, 100.0))
    ),
    *(
        Feature(
            _column(
                name=f"alpha_{n}",
                valid_range=(-limit, limit),
                warmup=n + STALE_AFTER,
                formula=f"return_{n} - beta_60 topix_return_{n}",
            ),
            partial(alpha, sessions=n),
        )
        for n, limit in ((1, 9.0), (5, 29.0))
    ),
    Feature(
        _column(
            name="idiosyncratic_volatility_60",
            valid_range=(0.0, 1.0),
            warmup=60,
            formula="std (ddof 2) of r - a - beta_60 m over 60 sessions",
        ),
        idiosyncratic_volatility,
    ),
    *(
        Feature(
            _column(
                name=f"relative_strength_{n}",
                valid_range=(-6.0, 6.0),
                warmup=n + STALE_AFTER,
                formula=f"ln(1 + return_{n}) - ln(1 + topix_return_{n})",
            ),
            partial(relative_strength, sessions=n),
        )
        for n in (20, 60)
    ),
    Feature(
        _column(
            name="beta_stability_60",
            valid_range=(0.0, 150.0),
            warmup=59 + 20,
            formula="std60(beta_20)",
        ),
        beta_stability,
    ),
    *(
        Feature(
            _column(
                name=f"{side}_beta_60",
                valid_range=(-300.0, 300.0),
                warmup=60,
                formula=f"beta over the sessions of 60 with m {condition} 0, at least 15",
            ),
            partial(one_sided_beta, sign=sign),
        )
        for side, condition, sign in (("up", ">", 1), ("down", "<", -1))
    ),
)
