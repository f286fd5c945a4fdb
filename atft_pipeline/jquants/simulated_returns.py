"""The numbers behind the simulated market: shocks, trading activity, and what is planted in expected returns.

Log return of name i in session t: beta_i m_t + f_{industry,t} + c_{cluster,t} + u_{i,t} + drift_{i,t} - variance / 2.
Its drift is known at the close of t-1 and has three parts, each scaled by a setting:

- linear: LINEAR * z_{i,t-1}, z the rank-gauss of the trend of log trading value (mean of 20 sessions less that of 60)
- reversal: -REVERSAL * mean_{j=1..5} (c + u)_{i,t-j}, the own return beyond market and industry
- peers: PEER * mean_{j=1..5} u_{leader(i),t-j}, the leader's move beyond market, industry and cluster

A fifth of the drift comes overnight, so a trade at the next open keeps most of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from atft_pipeline.jquants.sectors import INDUSTRIES
from atft_pipeline.jquants.simulated_names import Bools, Floats, Ints, Names, stream
from atft_pipeline.sections import SimulatorSettings

LINEAR, REVERSAL, PEER = 0.0016, 0.33, 0.35
REACTION = 5
"""Sessions over which a shock is reversed, and over which followers react; the same amount in each."""

DRIFT_OVERNIGHT = 0.2
"""Share of the drift that falls between close and open."""

SHOCK_OVERNIGHT = 0.25
"""Share of the variance of every shock that falls between close and open."""

FOLLOWER_CLUSTER_VARIANCE, LEADER_CLUSTER_VARIANCE, INDUSTRY_VARIANCE = 0.58, 0.42, 0.07
"""Shares of a stock's variance beyond the market; the rest is its own. A leader moves more by itself, so that its own
move stands out from what its cluster did."""

NEWS_RATE, NEWS_SIZE = 4e-4, 0.18
"""Chance per session and typical size of a jump; it is part of the own shock."""

BURN_IN = 80
"""Sessions before the first one, so that it finds a filled past."""


@dataclass(frozen=True)
class Latent:
    """What the market's inhabitants cannot see. Rows are BURN_IN sessions more than the market's [B + D, C].

    Attributes:
        market, market_overnight: log return of the index [B + D], and its part between close and open.
        total, overnight: log return of each name, and its part between close and open.
        scale: standard deviation of a name's return beyond the market.
        own: u, the own shock. residual: c + u, the shock beyond market and industry.
        log_value: log trading value. trend: z, the characteristic that returns are linear in.
        drift: expected part of `total`, known one session before.
    """

    market: Floats
    market_overnight: Floats
    total: Floats
    overnight: Floats
    scale: Floats
    own: Floats
    residual: Floats
    log_value: Floats
    trend: Floats
    drift: Floats


def draw_latent(names: Names, n_sessions: int, settings: SimulatorSettings) -> Latent:
    """Draw every shock and add the planted drift; effects change nothing but the drift."""
    rng = stream(settings.seed, "returns")
    n_rows, n_names = BURN_IN + n_sessions, len(names.codes)
    stress = np.exp(_autoregression(rng, n_rows, 1, 0.97, 0.2)[:, 0])
    market = 0.0003 + 0.009 * stress * rng.standard_normal(n_rows)
    scale = stress[:, None] * names.volatility

    industry = _shared(rng, n_rows, len(INDUSTRIES), names.industry)
    cluster = _shared(rng, n_rows, int(names.cluster.max()) + 1, names.cluster)
    cluster_share = np.select(
        [names.is_leader, names.follows], [LEADER_CLUSTER_VARIANCE, FOLLOWER_CLUSTER_VARIANCE], 0.0
    )
    industry_share = np.where(names.industry >= 0, INDUSTRY_VARIANCE, 0.0)
    own = scale * np.sqrt(1.0 - cluster_share - industry_share) * rng.standard_normal((n_rows, n_names))
    own += _news(rng, own.shape) * names.is_stock
    residual = scale * np.sqrt(cluster_share) * cluster + own
    beyond = scale * np.sqrt(industry_share) * industry + residual

    log_value = _log_value(names, np.abs(beyond) / scale, rng)
    listed = np.vstack([np.repeat(names.on_master(1), BURN_IN, axis=0), names.on_master(n_sessions)])
    trend = rank_gauss(window_mean(log_value, 20) - window_mean(log_value, 60), listed & names.is_stock)
    drift = planted_drift(names, trend, residual, own, settings)

    market_overnight = _bridge(rng, market[:, None], 0.009 * stress[:, None])[:, 0]
    variance = (names.beta * 0.009 * stress[:, None]) ** 2 + scale**2
    overnight = names.beta * market_overnight[:, None] + _bridge(rng, beyond, scale) + DRIFT_OVERNIGHT * drift
    total = names.beta * market[:, None] + beyond + drift - 0.5 * variance
    return Latent(market, market_overnight, total, overnight, scale, own, residual, log_value, trend, drift)


def planted_drift(names: Names, trend: Floats, residual: Floats, own: Floats, settings: SimulatorSettings) -> Floats:
    """Expected log return of each session given the close before it [rows, C]; funds have none."""
    linear = settings.linear_effect * LINEAR * lagged(trend, 1)
    reversal = -settings.reversal_effect * REVERSAL * _recent(residual)
    peers = settings.peer_effect * PEER * _recent(own)[:, names.leader] * names.follows
    return np.asarray((linear + reversal + peers) * names.is_stock)


def lagged(values: Floats, n: int) -> Floats:
    """Values of `n` rows before; 0 where there is none."""
    moved = np.zeros_like(values)
    moved[n:] = values[: len(values) - n]
    return moved


def window_mean(values: Floats, n: int) -> Floats:
    """Mean of the last `n` rows, the present one included; of fewer at the start."""
    sums = np.cumsum(values, axis=0)
    sums[n:] -= sums[:-n].copy()
    return np.asarray(sums / np.minimum(np.arange(1, len(values) + 1), n)[:, None])


def rank_gauss(values: Floats, valid: Bools) -> Floats:
    """Normal quantile of the rank within the row's valid entries, (rank - 1/2) / n; 0 elsewhere."""
    order = np.argsort(np.argsort(np.where(valid, values, np.inf), axis=1, kind="stable"), axis=1, kind="stable")
    share = (order + 0.5) / np.maximum(valid.sum(axis=1, keepdims=True), 1)
    return np.where(valid, ndtri(np.clip(share, 1e-9, 1 - 1e-9)), 0.0)


def _recent(shocks: Floats) -> Floats:
    """Mean shock of the REACTION sessions before."""
    return np.asarray(sum(lagged(shocks, j) for j in range(1, REACTION + 1)) / REACTION)


def _autoregression(rng: np.random.Generator, n_rows: int, n_columns: int, decay: float, deviation: float) -> Floats:
    """Stationary first-order autoregression of the given standard deviation."""
    steps: Floats = rng.standard_normal((n_rows, n_columns)) * deviation * np.sqrt(1.0 - decay**2)
    steps[0] /= np.sqrt(1.0 - decay**2)
    for row in range(1, n_rows):
        steps[row] += decay * steps[row - 1]
    return steps


def _shared(rng: np.random.Generator, n_rows: int, n_groups: int, group: Ints) -> Floats:
    """One shock per group and session, handed to its members; 0 for those of group -1."""
    shocks = rng.standard_normal((n_rows, n_groups))
    return np.asarray(np.append(shocks, np.zeros((n_rows, 1)), axis=1)[:, group])


def _news(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    size = NEWS_SIZE * (1.0 + 0.4 * rng.standard_normal(shape)) * rng.choice([-1.0, 1.0], shape)
    return np.asarray(np.where(rng.random(shape) < NEWS_RATE, size, 0.0), dtype=np.float64)


def _log_value(names: Names, surprise: Floats, rng: np.random.Generator) -> Floats:
    """Size, a slow tide of its own, a common one, more on days of large moves, and noise."""
    tide = _autoregression(rng, len(surprise), len(names.codes), 0.975, 0.45)
    common = _autoregression(rng, len(surprise), 1, 0.9, 0.15)
    noise = 0.25 * rng.standard_normal(surprise.shape)
    return np.asarray(names.log_value + tide + common + 0.3 * (np.minimum(surprise, 6.0) - 0.8) + noise)


def _bridge(rng: np.random.Generator, total: Floats, scale: Floats) -> Floats:
    """The overnight part of shocks of known total: exact for normal shocks of standard deviation `scale`."""
    spread = np.sqrt(SHOCK_OVERNIGHT * (1.0 - SHOCK_OVERNIGHT))
    return np.asarray(SHOCK_OVERNIGHT * total + spread * scale * rng.standard_normal(total.shape))
