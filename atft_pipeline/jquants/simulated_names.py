"""The names of the simulated market: codes, industries, hidden clusters, sizes, listings.

Drawn once per seed. Stocks live in clusters that cross industries; a cluster's first name is its leader, which is by
far its most traded one, listed all the time and never halted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.jquants.sectors import INDUSTRIES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CLUSTERED_SHARE = 0.78
CLUSTER_SIZES = (4, 5, 6)
LEADER_MARGIN = 1.6
"""Log trading value by which a leader exceeds its largest follower."""

LEADER_VOLATILITY = 2.6
"""A leader's moves are the news of its cluster: its volatility is this multiple of what its size would give."""

NEW_SHARE, GONE_SHARE = 0.05, 0.03
LETTER_CODES_FROM = date(2024, 1, 1)
"""New listings get codes such as 130A0 from here on."""


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each part of the market, so that a change in one leaves the others as they are."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *name.encode()])))


@dataclass(frozen=True)
class Names:
    """The C axis of the simulated market: stocks and a few funds, ascending by code.

    Attributes:
        codes: five-character codes.
        product: ProdCat: "011" stock, "013" REIT, "014" ETF.
        industry: position in `INDUSTRIES`; -1 for funds.
        cluster: number of the hidden cluster; -1 outside.
        leader: position of the cluster's leader, its own for a leader; -1 outside.
        segment: 0 the first section (Prime), 1 the second (Standard), 2 the young (Growth).
        log_value: log of the typical trading value of a session, yen.
        volatility: standard deviation of the daily return beyond the market.
        beta: of the market.
        price: yen, at the first session.
        listed: session position of the first day on the master; 0 for the established.
        gone: session position of the first day no longer on it; n_sessions if none.
    """

    codes: tuple[str, ...]
    product: tuple[str, ...]
    industry: Ints
    cluster: Ints
    leader: Ints
    segment: Ints
    log_value: Floats
    volatility: Floats
    beta: Floats
    price: Floats
    listed: Ints
    gone: Ints

    @cached_property
    def is_stock(self) -> Bools:
        """Whether a name is a common stock [C]."""
        return np.array([product == "011" for product in self.product])

    @cached_property
    def is_loanable(self) -> Bools:
        """Whether the name's shares can be lent for short selling: the larger ones [C]."""
        return np.asarray(self.log_value > np.log(3e8))

    @cached_property
    def shares(self) -> Floats:
        """Shares outstanding at the first session: about 300 sessions' volume [C]."""
        return np.asarray(np.round(np.exp(self.log_value) / self.price * 300.0, -3) + 1000.0)

    @cached_property
    def follows(self) -> Bools:
        """Whether a name is in a cluster without leading it [C]."""
        return np.asarray((self.leader >= 0) & ~self.is_leader)

    @cached_property
    def is_leader(self) -> Bools:
        """Whether a name leads a cluster [C]."""
        return np.asarray(self.leader == np.arange(len(self.codes)))

    def on_master(self, n_sessions: int) -> Bools:
        """Whether a name is listed on a session [D, C]."""
        day = np.arange(n_sessions)[:, None]
        return np.asarray((day >= self.listed) & (day < self.gone))


def draw_names(n_stocks: int, sessions: Sequence[date], seed: int) -> Names:
    """`n_stocks` common stocks, and a few ETFs and REITs in addition (about 2% each, at least one)."""
    rng = stream(seed, "names")
    starts, n_letters = _listing_days(n_stocks, sessions, rng)
    codes, product = _draw_codes(n_stocks, n_letters, rng)
    stocks = np.flatnonzero(product == "011")
    listed = np.zeros(len(codes), dtype=np.int64)
    gone = np.full(len(codes), len(sessions))
    letters = np.flatnonzero([code[3].isalpha() for code in codes])
    numbered = rng.permutation(np.setdiff1d(stocks, letters))
    n_numbered = len(starts) - n_letters
    listed[np.concatenate([numbered[:n_numbered], letters])] = starts
    established = numbered[n_numbered:]

    industry = np.where(product == "011", rng.integers(0, len(INDUSTRIES), len(codes)), -1)
    cluster, leader = _draw_clusters(established, stocks, industry, rng)
    log_value = np.log(4e8) + 0.9 * np.clip(rng.standard_normal(len(codes)), -2.5, 2.5)
    for head in np.unique(leader[leader >= 0]):
        members = (leader == head) & (np.arange(len(codes)) != head)
        log_value[head] = log_value[members].max() + LEADER_MARGIN
    replaceable = np.setdiff1d(established, leader)
    n_gone = min(max(2, round(GONE_SHARE * n_stocks)), len(replaceable))
    leavers = rng.choice(replaceable, n_gone, replace=False)
    gone[leavers] = (np.linspace(0.4, 0.95, n_gone) * len(sessions)).astype(np.int64)
    risk = _risk(product, log_value, rng)
    risk["volatility"] = risk["volatility"] * np.where(leader == np.arange(len(codes)), LEADER_VOLATILITY, 1.0)
    return Names(
        codes=tuple(codes),
        product=tuple(product),
        industry=industry,
        cluster=cluster,
        leader=leader,
        segment=_segments(log_value, listed),
        log_value=log_value,
        **risk,
        listed=listed,
        gone=gone,
    )


def _listing_days(n_stocks: int, sessions: Sequence[date], rng: np.random.Generator) -> tuple[Ints, int]:
    """Session positions of the new listings, ascending, and how many of them get a code with a letter."""
    n_new = max(2, round(NEW_SHARE * n_stocks))
    starts = (np.linspace(0.1, 0.9, n_new) * len(sessions) + rng.integers(0, 3, n_new)).astype(np.int64)
    return starts, sum(sessions[start] >= LETTER_CODES_FROM for start in starts)


def _draw_codes(n_stocks: int, n_letters: int, rng: np.random.Generator) -> tuple[list[str], NDArray[np.str_]]:
    """Codes, ascending, and their ProdCat; codes with letters belong to the last listings."""
    n_funds = max(1, n_stocks // 50)
    numbers = np.setdiff1d(np.arange(1700, 10000), np.arange(8900, 9000))
    product = {f"{number}0": "011" for number in rng.choice(numbers, n_stocks - n_letters, replace=False)}
    product |= {f"{130 + i}A0": "011" for i in range(n_letters)}
    product |= {f"{number}0": "014" for number in rng.choice(np.arange(1300, 1700), n_funds, replace=False)}
    product |= {f"{number}0": "013" for number in rng.choice(np.arange(8900, 9000), min(n_funds, 100), replace=False)}
    codes = sorted(product)
    return codes, np.array([product[code] for code in codes])


def _draw_clusters(established: Ints, stocks: Ints, industry: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Cluster and leader of each name; gives the members of a cluster different industries."""
    sizes: list[int] = []
    while sum(sizes) < CLUSTERED_SHARE * len(stocks) - CLUSTER_SIZES[0] / 2:
        sizes.append(int(rng.choice(CLUSTER_SIZES)))
    cluster, leader = np.full(len(industry), -1), np.full(len(industry), -1)
    heads = established[: len(sizes)]
    others = rng.permutation(np.setdiff1d(stocks, heads))
    for number, (head, size) in enumerate(zip(heads, sizes, strict=True)):
        members, others = np.concatenate([[head], others[: size - 1]]), others[size - 1 :]
        cluster[members], leader[members] = number, head
        industry[members] = rng.choice(len(INDUSTRIES), len(members), replace=False)
    return cluster, leader


def _segments(log_value: Floats, listed: Ints) -> Ints:
    """The larger half is first section, the smallest sixth and new listings are young companies."""
    share = np.argsort(np.argsort(log_value)) / len(log_value)
    return np.select([(share < 1 / 6) | (listed > 0), share < 0.5], [2, 1], 0)


def _risk(product: NDArray[np.str_], log_value: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Volatility, beta and first price: smaller stocks move more, ETFs hardly beyond the market."""
    size = (log_value - np.log(4e8)) / 0.9
    volatility = np.clip(np.exp(np.log(0.018) + 0.2 * rng.standard_normal(len(size)) - 0.06 * size), 0.010, 0.032)
    beta = np.clip(1.0 + 0.25 * rng.standard_normal(len(size)), 0.3, 1.8)
    price = np.clip(np.exp(np.log(1500.0) + 0.6 * rng.standard_normal(len(size))), 250.0, 15000.0)
    etf, reit = product == "014", product == "013"
    return {
        "volatility": np.select([etf, reit], [0.002, 0.008], volatility),
        "beta": np.select([etf, reit], [1.0, 0.4], beta),
        "price": np.where(reit, 100.0, 1.0) * price,
    }
