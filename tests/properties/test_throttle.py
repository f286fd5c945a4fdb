"""Whatever the processes do, no minute holds more requests than the plan allows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_pipeline.jquants.api.plans import FINS_PER_MINUTE, PLANS
from atft_pipeline.jquants.api.throttle import Throttle
from tests.unit.jquants.api.clocks import ActorClock, VirtualClock, World

RATES = sorted({plan.per_minute for plan in PLANS.values()} | {FINS_PER_MINUTE})
pauses = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 90.0)), min_size=1, max_size=30)


def most_in_a_minute(times: Sequence[float]) -> int:
    """The largest number of times within 60 seconds, both ends included (a microsecond is rounding)."""
    ordered, first, most = sorted(times), 0, 0
    for at, time in enumerate(ordered):
        while time - ordered[first] > 60.0 + 1e-6:
            first += 1
        most = max(most, at - first + 1)
    return most


def sender(folder: Path, rate: int, waits: Sequence[float], sent: list[float]) -> Callable[[ActorClock], None]:
    def act(clock: ActorClock) -> None:
        throttle = Throttle(folder, "a", rate, clock)
        for seconds in waits:
            clock.sleep(seconds)
            throttle.wait()
            sent.append(clock.world.elapsed)

    return act


@pytest.mark.parametrize("rate", RATES)
def test_10_000_requests_without_a_pause_keep_the_limit_and_use_it(tmp_path: Path, rate: int) -> None:
    clock = VirtualClock()
    throttles = [Throttle(tmp_path, "a", rate, clock) for _ in range(3)]
    sent = []
    for n in range(10_000):
        throttles[n % 3].wait()
        sent.append(clock.elapsed)
    assert most_in_a_minute(sent) <= rate
    assert len(sent) / (sent[-1] / 60.0) >= 0.9 * rate


def test_10_000_requests_of_four_processes_keep_one_limit_and_use_it(tmp_path: Path) -> None:
    sent: list[float] = []
    World().run([sender(tmp_path, 120, [0.0] * 2_500, sent) for _ in range(4)])
    assert len(sent) == 10_000
    assert most_in_a_minute(sent) <= 120
    assert len(sent) / (max(sent) / 60.0) >= 0.9 * 120


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(1, 600),
    processes=st.lists(pauses, min_size=1, max_size=4),
    blocks=st.lists(st.tuples(st.floats(0.0, 120.0), st.sampled_from([65.0, 130.0, 310.0])), max_size=3),
)
def test_no_minute_holds_more_than_the_limit_and_nobody_asks_in_a_block(
    rate: int, processes: list[list[float]], blocks: list[tuple[float, float]]
) -> None:
    sent: list[float] = []
    blocked: list[tuple[float, float]] = []

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def blocker(clock: ActorClock) -> None:
            for seconds, length in blocks:
                clock.sleep(seconds)
                Throttle(folder, "a", rate, clock).block(length)
                blocked.append((clock.world.elapsed, clock.world.elapsed + length))

        World().run([*(sender(folder, rate, waits, sent) for waits in processes), blocker])
    assert len(sent) == sum(len(waits) for waits in processes)
    assert most_in_a_minute(sent) <= rate
    assert not [time for time in sent for start, end in blocked if start + 1e-5 < time < end - 1e-5]


@settings(max_examples=50, deadline=None)
@given(
    rate=st.integers(1, 600),
    steps=st.lists(st.tuples(st.floats(0.0, 90.0), st.floats(0.0, 1e6), st.sampled_from([0.0, 65.0, 310.0]))),
)
def test_a_clock_that_is_set_back_neither_stops_the_requests_nor_lets_them_loose(
    rate: int, steps: list[tuple[float, float, float]]
) -> None:
    clock = VirtualClock()
    sent: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        throttle = Throttle(Path(name), "a", rate, clock)
        for idle, set_back, block in steps:
            throttle.block(block)
            clock.sleep(idle)
            clock.set_by -= set_back
            began = clock.elapsed
            throttle.wait()
            sent.append(clock.elapsed)
            assert clock.elapsed - began <= 60 / (0.95 * rate) + block + 1e-4
    assert most_in_a_minute(sent) <= rate
