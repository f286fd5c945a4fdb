"""Whatever the size, the dates and the seed: a market that can be printed, typed and told apart from others."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulated_market import SimulatedMarket
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import SimulatorSettings

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: each try draws a market, and a failing one is small enough to read."""

EVER = (date(1990, 1, 1), date(2060, 1, 1))

markets = st.builds(
    SimulatorSettings,
    n_codes=st.integers(20, 60),
    n_sessions=st.integers(60, 120),
    seed=st.integers(0, 2**31),
    last_session=st.dates(date(2016, 1, 1), date(2027, 12, 31)),
    linear_effect=st.floats(0.0, 2.0),
    reversal_effect=st.floats(0.0, 2.0),
    peer_effect=st.floats(0.0, 2.0),
)


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(markets)
def test_every_market_is_a_market(chosen: SimulatorSettings) -> None:
    market, source = SimulatedMarket(chosen), SimulatedSource(chosen)
    tape = market.tape
    traded = ~np.isnan(tape.close)
    assert (traded <= tape.listed).all()
    assert (tape.low[traded] <= np.minimum(tape.open, tape.close)[traded]).all()
    assert (tape.high[traded] >= np.maximum(tape.open, tape.close)[traded]).all()
    assert (tape.low[traded] > 0).all()
    assert market.names.is_stock.sum() == chosen.n_codes
    assert len(market.sessions) == chosen.n_sessions
    assert market.sessions[-1] <= chosen.last_session
    for name, endpoint in ENDPOINTS.items():
        typed = to_typed(source.fetch(name, *EVER), endpoint)
        assert typed.failed_casts == {}
        assert typed.frame.select(endpoint.key).is_duplicated().sum() == 0
        if name != "trading_calendar":
            days = typed.frame[endpoint.date_column].drop_nulls()
            assert days.is_in(list(market.sessions)).all()


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(markets, st.integers(1, 59))
def test_any_cut_by_date_gives_the_same_rows(chosen: SimulatorSettings, at: int) -> None:
    source = SimulatedSource(chosen)
    end, start = source.market.sessions[at - 1], source.market.sessions[at]
    for name in ("daily_bars", "equities_master", "topix", "margin_alert", "financial_summaries"):
        parts = [source.fetch(name, EVER[0], end), source.fetch(name, start, EVER[1])]
        assert_frame_equal(pl.concat(parts), source.fetch(name, *EVER))


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(markets)
def test_the_same_settings_give_the_same_bytes(chosen: SimulatorSettings) -> None:
    one, two = SimulatedMarket(chosen).tape, SimulatedMarket(chosen.model_copy()).tape
    for field in ("open", "high", "low", "close", "volume", "value", "factor", "topix"):
        assert getattr(one, field).tobytes() == getattr(two, field).tobytes()
