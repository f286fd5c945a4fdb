"""The best that a model can reach on the simulated market, from expectations that only the simulator knows."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import rankdata

from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from atft_pipeline.jquants.simulated_names import Floats
from atft_pipeline.jquants.simulated_returns import (
    BURN_IN,
    DRIFT_OVERNIGHT,
    LINEAR,
    PEER,
    REACTION,
    REVERSAL,
    lagged,
)
from atft_pipeline.settings import Settings


def attainable_rank_ic(settings: Settings) -> pl.DataFrame:
    """Mean daily Spearman between the true expectation of the forward return and the return itself.

    The return runs from the open of t+1 to the close of t+h; the expectation is given the close of t. Days and
    stocks without either price are left out.

    Returns:
        horizon (Int32), with_peers, without_peers (Float64): the latter leaves the peers out of the expectation,
        not out of the return: it is what a model can reach that looks at each stock alone.
    """
    market = simulated_market(settings.source.simulator)
    rows = []
    for horizon in settings.targets.horizons:
        realized = forward_returns(market, horizon)
        own, peers = expected_own(market, horizon), expected_from_peers(market, horizon)
        rows.append((horizon, mean_rank_ic(own + peers, realized), mean_rank_ic(own, realized)))
    schema = {"horizon": pl.Int32(), "with_peers": pl.Float64(), "without_peers": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def expected_own(market: SimulatedMarket, horizon: int) -> Floats:
    """Expectation at each close of the next-open return over `horizon`, without the peers' part [D, C].

    Exact for the reversal: a past shock adds the same amount to each session left of its reaction. The trend is
    carried forward by its autocorrelation, the best linear forecast (exact for one session).
    """
    latent, settings = market.latent, market.settings
    persistence = [_autocorrelation(latent.trend, k) for k in range(horizon)]
    linear = settings.linear_effect * LINEAR * latent.trend * (sum(persistence) - DRIFT_OVERNIGHT)
    reversal = -settings.reversal_effect * REVERSAL * _still_to_come(latent.residual, horizon)
    return np.asarray(((linear + reversal) * market.names.is_stock)[BURN_IN:])


def expected_from_peers(market: SimulatedMarket, horizon: int) -> Floats:
    """Expectation at each close of what the leader's past moves add to the next-open return [D, C]; exact."""
    names = market.names
    coming = market.settings.peer_effect * PEER * _still_to_come(market.latent.own, horizon)
    return np.asarray((coming[:, names.leader] * names.follows)[BURN_IN:])


def forward_returns(market: SimulatedMarket, horizon: int) -> Floats:
    """Return from the open of t+1 to the close of t+h, splits undone [D, C]; NaN where either price is missing."""
    tape = market.tape
    shares = np.cumprod(tape.factor, axis=0)
    opening, close = tape.open / shares, tape.close / shares
    returns = np.full(close.shape, np.nan)
    returns[:-horizon] = close[horizon:] / opening[1 : len(opening) - horizon + 1] - 1.0
    return np.asarray(np.where(market.names.is_stock & ~np.isnan(tape.close), returns, np.nan))


def mean_rank_ic(score: Floats, realized: Floats) -> float:
    """Mean over days of the Spearman correlation, average ranks; days with fewer than 10 stocks left out."""
    daily = []
    for s, r in zip(score, realized, strict=True):
        valid = ~np.isnan(r)
        if valid.sum() >= 10 and np.ptp(s[valid]) > 0.0:
            daily.append(np.corrcoef(rankdata(s[valid]), rankdata(r[valid]))[0, 1])
    return float(np.mean(daily)) if daily else 0.0


def _still_to_come(shocks: Floats, horizon: int) -> Floats:
    """Sum over past shocks of the share of their reaction that falls after the next open, within `horizon`."""
    return np.asarray(
        sum(
            lagged(shocks, age) * (min(horizon, REACTION - age) - DRIFT_OVERNIGHT) / REACTION for age in range(REACTION)
        )
    )


def _autocorrelation(values: Floats, lag: int) -> float:
    return float(np.sum(values[: len(values) - lag] * values[lag:]) / np.sum(values[: len(values) - lag] ** 2))
