"""What may pass is asked again: after how long, and how often."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from atft_pipeline.errors import RateLimited, ServerError, WireError

from .clocks import VirtualClock
from .servers import BARS, CORRUPT, DAY, PASSING, Script, data, refused


def test_429_blocks_everybody_longer_each_time_and_then_is_an_error(tmp_path: Path) -> None:
    script = Script(refused(429, "Too Many Requests"))
    with pytest.raises(RateLimited, match="Too Many Requests"):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert script.times == pytest.approx([0.0, 65.0, 195.0, 505.0], abs=1.0)
    reason = f"{BARS}?date=2024-01-04: too many requests (429)"
    assert script.waits == [(reason, 65.0), (reason, 130.0), (reason, 310.0)]


class Killed(Exception):
    """The process ends here."""


class ClockOfTheKilled(VirtualClock):
    """Ends the process when it would wait."""

    def sleep(self, seconds: float) -> None:
        if seconds > 0.0:
            raise Killed


def test_another_process_waits_out_the_block_and_says_so(tmp_path: Path) -> None:
    first, second = Script(refused(429, "Too Many Requests")), Script(data())
    first.clock = ClockOfTheKilled()
    with pytest.raises(Killed):
        list(first.client(tmp_path).pages(BARS, DAY))
    list(second.client(tmp_path).pages(BARS, DAY))
    assert second.times == pytest.approx([65.0], abs=1e-3)
    ((reason, seconds),) = second.waits
    assert "limit, shared with others" in reason
    assert seconds == pytest.approx(65.0, abs=1e-3)


@pytest.mark.parametrize("name", [*PASSING, *CORRUPT])
def test_what_may_pass_is_asked_again(tmp_path: Path, name: str) -> None:
    reply = (PASSING | CORRUPT)[name]
    script = Script(reply, reply, data({"n": 1}))
    (page,) = script.client(tmp_path).pages(BARS, DAY)
    assert orjson.loads(page.body)["data"] == [{"n": 1}]
    assert len(script.waits) == 2
    assert all(reason.startswith(f"{BARS}?date=2024-01-04: ") for reason, _ in script.waits)


@pytest.mark.parametrize("name", [*PASSING, *CORRUPT])
def test_after_six_attempts_with_growing_waits_it_is_an_error(tmp_path: Path, name: str) -> None:
    script = Script((PASSING | CORRUPT)[name])
    with pytest.raises(ServerError if name in PASSING else WireError):
        list(script.client(tmp_path).pages(BARS, DAY))
    assert len(script.requests) == 6
    seconds = [seconds for _, seconds in script.waits]
    assert [0.5 * 4 * 2**n <= wait <= 1.5 * 4 * 2**n for n, wait in enumerate(seconds)] == [True] * 5
    assert seconds != [4.0, 8.0, 16.0, 32.0, 64.0]
    assert [later - earlier for earlier, later in pairwise(script.times)] == pytest.approx(seconds, abs=0.2)


def test_each_kind_of_trouble_has_its_own_patience(tmp_path: Path) -> None:
    limited, failed = refused(429, "Too Many Requests"), refused(503, "Oops")
    script = Script(failed, limited, failed, limited, failed, limited, failed, failed, data())
    assert len(list(script.client(tmp_path).pages(BARS, DAY))) == 1
    assert [round(seconds) for _, seconds in script.waits if seconds >= 65.0 and seconds == round(seconds)] == [
        65,
        130,
        310,
    ]
