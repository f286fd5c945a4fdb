"""From latent returns to the tape: ticks, daily price limits, splits, halts, volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atft_pipeline.jquants.simulated_names import Bools, Floats, Names, stream
from atft_pipeline.jquants.simulated_returns import BURN_IN, SHOCK_OVERNIGHT, Latent

_TICK_UP_TO = np.array([3e3, 5e3, 3e4, 5e4, 3e5, 5e5, 3e6])
_TICK = np.array([1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0])
"""Tick sizes of the exchange for stocks outside TOPIX 500: price up to .. -> tick, yen."""

_LIMIT_BELOW = np.array(
    [100, 200, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 1e4, 1.5e4, 2e4, 3e4, 5e4, 7e4, 1e5, 1.5e5, 2e5, 3e5, 5e5]
)
_LIMIT = np.array(
    [30, 50, 80, 100, 150, 300, 400, 500, 700, 1000, 1500, 3000, 4000, 5000, 7000, 1e4, 1.5e4, 3e4, 4e4, 5e4, 7e4, 1e5]
)
"""Daily price limits of the exchange: base price below .. -> yen either way."""

SPLIT_SHARE, CONSOLIDATION_SHARE = 0.06, 0.01
SPLIT_FACTORS: tuple[float, ...] = (0.5, 0.5, 1 / 3, 0.2)
CONSOLIDATION_FACTORS: tuple[float, ...] = (5.0, 10.0)
HALT_SHARE, MISSING_RATE = 0.03, 0.001


@dataclass(frozen=True)
class Tape:
    """What the exchange publishes of each session [D, C]; prices and volumes NaN where nothing traded.

    Attributes:
        listed: the name is on the master.
        open, high, low, close: yen, as traded, on ticks.
        volume: shares. value: yen.
        factor: AdjFactor, 1 but on the ex-date.
        at_upper, at_lower: the high or the low was at the day's price limit.
        topix: open, high, low, close of the index [D, 4].
    """

    listed: Bools
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    value: Floats
    factor: Floats
    at_upper: Bools
    at_lower: Bools
    topix: Floats


def tick_size(price: Floats) -> Floats:
    """Smallest price step at a price, yen."""
    return np.asarray(_TICK[np.searchsorted(_TICK_UP_TO, price, side="left")])


def limit_width(base: Floats) -> Floats:
    """Largest move of a session from its base price, yen."""
    return np.asarray(_LIMIT[np.searchsorted(_LIMIT_BELOW, base, side="right")])


def print_tape(names: Names, latent: Latent, seed: int) -> Tape:
    """Prices on ticks within limits; a move beyond the limit is made up for in the next sessions."""
    rng = stream(seed, "tape")
    total, overnight = latent.total[BURN_IN:], latent.overnight[BURN_IN:]
    n_sessions = len(total)
    listed = names.on_master(n_sessions)
    traded = listed & ~_halted(names, listed, rng)
    factor = _factors(names, traded, rng)
    factor_so_far = np.cumprod(factor, axis=0)
    close = names.price * np.exp(np.cumsum(total, axis=0)) * factor_so_far
    opening = close * np.exp(overnight - total)
    reach = np.sqrt(1.0 - SHOCK_OVERNIGHT) * latent.scale[BURN_IN:]
    up, down = _extremes(rng, total - overnight, reach)
    prices = [_on_tick(p) for p in (opening, opening * np.exp(up), opening * np.exp(-down), close)]
    prices, at_upper, at_lower = _within_limits(prices, factor, traded)
    vwap = sum(prices) / 4.0
    volume = 100.0 * np.maximum(1.0, np.round(np.exp(latent.log_value[BURN_IN:]) / vwap / 100.0))
    o, h, lo, c, vo, va = (np.where(traded, x, np.nan) for x in (*prices, volume, np.round(volume * vwap)))
    return Tape(listed, o, h, lo, c, vo, va, factor, at_upper, at_lower, _index_bars(latent, rng))


def _on_tick(price: Floats) -> Floats:
    tick = tick_size(price)
    return np.asarray(np.maximum(np.round(price / tick), 1.0) * tick)


def _extremes(rng: np.random.Generator, move: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Rise above and fall below the start of a Brownian path that ends at `move`, each by its exact law."""
    rises = [
        (end + np.sqrt(end**2 - 2.0 * scale**2 * np.log(1.0 - rng.random(end.shape)))) / 2.0 for end in (move, -move)
    ]
    return rises[0], rises[1]


def _within_limits(prices: list[Floats], factor: Floats, traded: Bools) -> tuple[list[Floats], Bools, Bools]:
    """Clip open, high, low, close to the session's limits; base: the last close on the day's share basis."""
    o, h, lo, c = prices
    clipped = np.empty((len(o), 4, o.shape[1]))
    at_upper, at_lower = np.zeros(o.shape, dtype=bool), np.zeros(o.shape, dtype=bool)
    last = np.full(o.shape[1], np.nan)
    for day in range(len(o)):
        base = last * factor[day]
        width = limit_width(base)
        upper, lower = _floor_tick(base + width), _ceil_tick(np.maximum(base - width, 1.0))
        bars = np.stack([o[day], np.maximum(h[day], np.maximum(o[day], c[day])), lo[day], c[day]])
        bars[2] = np.minimum(lo[day], np.minimum(o[day], c[day]))
        clipped[day] = np.fmin(np.fmax(bars, lower), upper)  # no base before the first trade: NaN, no limit
        at_upper[day], at_lower[day] = (
            (clipped[day, 1] >= upper) & traded[day],
            (clipped[day, 2] <= lower) & traded[day],
        )
        last = np.where(traded[day], clipped[day, 3], base)
    return [clipped[:, i] for i in range(4)], at_upper, at_lower


def _floor_tick(price: Floats) -> Floats:
    tick = tick_size(price)
    return np.asarray(np.floor(price / tick) * tick)


def _ceil_tick(price: Floats) -> Floats:
    tick = tick_size(price)
    return np.asarray(np.ceil(price / tick) * tick)


def _halted(names: Names, listed: Bools, rng: np.random.Generator) -> Bools:
    """Runs of 3 to 12 sessions for a few stocks, single sessions here and there; leaders always trade."""
    able = np.flatnonzero(names.is_stock & ~names.is_leader)
    halted = rng.random(listed.shape) < MISSING_RATE
    for name in rng.choice(able, max(1, round(HALT_SHARE * len(able))), replace=False):
        start = int(rng.integers(1, len(listed) - 12))
        halted[start : start + int(rng.integers(3, 13)), name] = True
    halted[:, ~(names.is_stock & ~names.is_leader)] = False
    return halted


def _factors(names: Names, traded: Bools, rng: np.random.Generator) -> Floats:
    """AdjFactor [D, C]: splits of the highest-priced stocks, consolidations of the lowest-priced ones."""
    factor = np.ones(traded.shape)
    by_price = [name for name in np.argsort(names.price, kind="stable") if names.is_stock[name]]
    n_splits = max(1, round(SPLIT_SHARE * len(by_price)))
    n_consolidations = max(1, round(CONSOLIDATION_SHARE * len(by_price)))
    plans = [(name, SPLIT_FACTORS) for name in by_price[-n_splits:]]
    plans += [(name, CONSOLIDATION_FACTORS) for name in by_price[:n_consolidations]]
    for name, choices in plans:
        # On a session that trades after one that did, so that the factor stands beside two prices.
        days = np.flatnonzero(traded[1:, name] & traded[:-1, name]) + 1
        factor[rng.choice(days), name] = rng.choice(choices)
    return factor


def _index_bars(latent: Latent, rng: np.random.Generator) -> Floats:
    total, overnight = latent.market[BURN_IN:], latent.market_overnight[BURN_IN:]
    close = 2000.0 * np.exp(np.cumsum(total))
    opening = close * np.exp(overnight - total)
    up, down = _extremes(rng, total - overnight, np.full(len(total), 0.006))
    bars = np.stack([opening, opening * np.exp(up), opening * np.exp(-down), close], axis=1)
    return np.asarray(np.round(bars, 2), dtype=np.float64)
