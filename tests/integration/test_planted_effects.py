"""The simulated market's planted effects, seen through the real features, graphs and ridge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from atft_pipeline.jquants.attainable import expected_from_peers, expected_own
from atft_pipeline.jquants.simulated_market import SimulatedMarket, simulated_market
from jobs.run import Outcome
from resources.io_manager import LakeResource
from resources.structure import structure

HORIZON = 5


@dataclass(frozen=True)
class Correlations:
    """Mean daily correlation of a score with the own and with the peers' part of the true expectation."""

    own: float
    peers: float


@pytest.fixture
def market(outcome: Outcome) -> SimulatedMarket:
    """The market that the run was made on."""
    assert outcome.errors == {}
    return simulated_market(structure().settings.source.simulator)


def test_ridge_on_all_columns_gets_less_than_15_percent_of_the_peers(market: SimulatedMarket) -> None:
    found = _correlations(market, LakeResource().open().scan("baselines").filter(pl.col("model") == "ridge").collect())
    assert found.own > 0.2
    assert found.peers < 0.15


def test_the_correlation_graph_finds_the_leaders(market: SimulatedMarket) -> None:
    edges = LakeResource().open().scan("graphs").filter(~pl.col("source").str.contains(":")).collect()
    pairs = set(edges.select("target", "source").iter_rows())
    names = market.names
    followers = np.flatnonzero(names.follows)
    listed = {code for code, _ in pairs}
    known = [i for i in followers if names.codes[i] in listed]
    found = [(names.codes[i], names.codes[names.leader[i]]) in pairs for i in known]
    assert len(known) > 10
    assert np.mean(found) > 0.7


def _correlations(market: SimulatedMarket, scores: pl.DataFrame) -> Correlations:
    own, peers = expected_own(market, HORIZON), expected_from_peers(market, HORIZON)
    place = {code: i for i, code in enumerate(market.names.codes)}
    row = {day: i for i, day in enumerate(market.sessions)}
    daily = []
    for (day,), group in scores.filter(pl.col("horizon") == HORIZON).group_by("Date", maintain_order=True):
        columns = [place[code] for code in group["Code"]]
        score, at = group["score"].to_numpy(), row[day]
        daily.append([np.corrcoef(score, part[at, columns])[0, 1] for part in (own, peers)])
    means = np.nanmean(daily, axis=0)
    return Correlations(float(means[0]), float(means[1]))
