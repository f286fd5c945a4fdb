"""The peers' part is hidden from a stock's own history, and open to who knows the leader.

Ridge regressions of the 5-session return on what the tape shows, fitted on the first 450 sessions and scored on the
last 310; compared with the true expectations, which only the simulator knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from atft_pipeline.jquants.attainable import expected_from_peers, expected_own, forward_returns, mean_rank_ic
from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from atft_pipeline.jquants.simulated_returns import lagged

from .markets import DEMO

Floats = NDArray[np.float64]
HORIZON, FIT_UNTIL, SCORE_FROM, WARMUP = 5, 450, 470, 80


@dataclass(frozen=True)
class Tape:
    """What anyone can compute: market-residual returns and log trading value [D, C], 0 where nothing traded."""

    residual: Floats
    log_value: Floats
    industry_mean: Floats


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulated_market(DEMO)


@pytest.fixture(scope="module")
def tape(market: SimulatedMarket) -> Tape:
    bars, names = market.tape, market.names
    prices = np.log(bars.close / np.cumprod(bars.factor, axis=0))
    index = np.log(bars.topix[:, 3])
    residual = np.zeros_like(prices)
    residual[1:] = np.nan_to_num(np.diff(prices, axis=0) - np.diff(index)[:, None])
    member = (names.industry[:, None] == np.arange(33)).astype(float)
    mean = (residual @ member / np.maximum(member.sum(axis=0), 1.0))[:, names.industry]
    return Tape(residual, np.nan_to_num(np.log(bars.value)), mean * names.is_stock)


def rolling(values: Floats, n: int) -> Floats:
    return np.asarray(sum(lagged(values, j) for j in range(n)) / n)


def own_history(tape: Tape) -> list[Floats]:
    """20 returns, 10 volumes, volume trend, volatilities, 5 industry returns."""
    returns = [lagged(tape.residual, k) for k in range(20)]
    level = rolling(tape.log_value, 60)
    volumes = [lagged(tape.log_value, k) - level for k in range(0, 20, 2)]
    trend = rolling(tape.log_value, 20) - level
    volatilities = [np.sqrt(rolling(tape.residual**2, n)) for n in (5, 20, 60)]
    return [*returns, *volumes, trend, *volatilities, *(lagged(tape.industry_mean, k) for k in range(5))]


def leader_history(market: SimulatedMarket, tape: Tape) -> list[Floats]:
    """Five returns of the leader less those of its followers; 0 for names that follow nobody."""
    names = market.names
    member = (names.cluster[:, None] == np.arange(names.cluster.max() + 1)) & names.follows[:, None]
    followers = (tape.residual @ (member / member.sum(axis=0)))[:, names.cluster]
    apart = (tape.residual[:, names.leader] - followers) * names.follows
    return [lagged(apart, k) for k in range(5)]


def out_of_sample(columns: list[Floats], realized: Floats, penalty: float = 1e4) -> Floats:
    """Ridge score, all columns and the target standardized by day; the fit ends before the first scored day."""
    valid = ~np.isnan(realized)
    valid[:WARMUP] = False
    x = np.stack([standardized(column, valid) for column in columns], axis=-1)
    y = standardized(np.nan_to_num(realized), valid)
    fit = valid.copy()
    fit[FIT_UNTIL:] = False
    gram = x[fit].T @ x[fit] + penalty * np.eye(x.shape[-1])
    return np.asarray(x @ np.linalg.solve(gram, x[fit].T @ y[fit]))


def standardized(values: Floats, valid: NDArray[np.bool_]) -> Floats:
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    centred = np.where(valid, values - np.where(valid, values, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    return np.asarray(np.clip(centred / np.maximum(deviation, 1e-12), -5.0, 5.0))


@pytest.fixture(scope="module")
def scores(market: SimulatedMarket, tape: Tape) -> dict[str, Floats]:
    realized = forward_returns(market, HORIZON)
    own = own_history(tape)
    return {
        "own": out_of_sample(own, realized)[SCORE_FROM:],
        "with leader": out_of_sample([*own, *leader_history(market, tape)], realized)[SCORE_FROM:],
    }


def test_own_history_finds_the_own_part_and_not_the_peers(market: SimulatedMarket, scores: dict[str, Floats]) -> None:
    followers = market.names.follows & (market.names.gone == DEMO.n_sessions)
    peers = expected_from_peers(market, HORIZON)[SCORE_FROM:, followers]
    own = expected_own(market, HORIZON)[SCORE_FROM:, followers]
    score = scores["own"][:, followers]
    assert np.corrcoef(score.ravel(), own.ravel())[0, 1] > 0.6
    assert np.corrcoef(score.ravel(), peers.ravel())[0, 1] < 0.15


def test_who_knows_the_leader_finds_the_peers_part(market: SimulatedMarket, scores: dict[str, Floats]) -> None:
    followers = market.names.follows & (market.names.gone == DEMO.n_sessions)
    peers = expected_from_peers(market, HORIZON)[SCORE_FROM:, followers]
    assert np.corrcoef(scores["with leader"][:, followers].ravel(), peers.ravel())[0, 1] > 0.35


def test_the_rank_correlation_gains_from_the_leader(market: SimulatedMarket, scores: dict[str, Floats]) -> None:
    realized = forward_returns(market, HORIZON)[SCORE_FROM:]
    own, informed = (mean_rank_ic(scores[name], realized) for name in ("own", "with leader"))
    attainable = mean_rank_ic(expected_own(market, HORIZON)[SCORE_FROM:], realized)
    assert 0.5 * attainable < own < attainable
    assert informed > own + 0.04


def test_the_gain_is_gone_without_the_effect() -> None:
    market = simulated_market(DEMO.model_copy(update={"peer_effect": 0.0}))
    bars, names = market.tape, market.names
    residual = np.zeros_like(bars.close)
    residual[1:] = np.nan_to_num(np.diff(np.log(bars.close / np.cumprod(bars.factor, axis=0)), axis=0))
    tape = Tape(residual, np.nan_to_num(np.log(bars.value)), np.zeros_like(residual))
    realized = forward_returns(market, HORIZON)
    own = own_history(tape)[:-5]
    plain = mean_rank_ic(out_of_sample(own, realized)[SCORE_FROM:], realized[SCORE_FROM:])
    columns = [*own, *leader_history(market, tape)]
    informed = mean_rank_ic(out_of_sample(columns, realized)[SCORE_FROM:], realized[SCORE_FROM:])
    assert names.follows.any()
    assert abs(informed - plain) < 0.015


def test_clusters_move_together_across_industries(market: SimulatedMarket, tape: Tape) -> None:
    names = market.names
    whole = np.flatnonzero(names.is_stock & (names.listed == 0) & (names.gone == DEMO.n_sessions))
    rho = np.asarray(np.corrcoef(tape.residual[-252:, whole].T))
    of, industry_of = names.cluster[whole], names.industry[whole]
    pair = ~np.eye(len(whole), dtype=bool)
    cluster = pair & (of[:, None] == of) & (of >= 0)
    industry = pair & ~cluster & (industry_of[:, None] == industry_of)
    assert 0.42 < rho[cluster].mean() < 0.58
    assert (rho[cluster] >= 0.3).mean() > 0.95
    assert 0.03 < rho[industry].mean() < 0.2
    assert (np.abs(rho[pair & ~cluster]) >= 0.3).mean() < 0.002
    assert abs(rho[pair & ~cluster & ~industry].mean()) < 0.02


def test_a_leader_is_the_first_and_by_far_the_most_traded_of_its_cluster(market: SimulatedMarket) -> None:
    codes, traded = market.names.codes, np.nanmedian(market.tape.value, axis=0)
    sizes = [[traded[codes.index(code)] for code in cluster] for cluster in market.clusters]
    assert all(size[0] > 2.5 * max(size[1:]) for size in sizes)
    assert {len(cluster) for cluster in market.clusters} == {4, 5, 6}
    members = [code for cluster in market.clusters for code in cluster]
    assert len(members) == len(set(members))
    assert 0.74 < len(members) / DEMO.n_codes < 0.81


def test_members_of_a_cluster_have_different_industries(market: SimulatedMarket) -> None:
    codes, industry = market.names.codes, market.names.industry
    for cluster in market.clusters:
        assert len({industry[codes.index(code)] for code in cluster}) == len(cluster)
