"""Slots: evenly spaced, shared through the file, and never lost to a damaged file or a clock that was set back."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from atft_pipeline.errors import SourceError
from atft_pipeline.jquants.api.clock import SystemClock
from atft_pipeline.jquants.api.throttle import Throttle

from .clocks import ActorClock, VirtualClock, World

INTERVAL = 60 / (60 * 0.95)
"""Seconds between the slots of the plan with 60 a minute."""


def slots(throttle: Throttle, clock: VirtualClock, n: int) -> list[float]:
    """True times of the next n slots."""
    times = []
    for _ in range(n):
        throttle.wait()
        times.append(clock.elapsed)
    return times


def test_slots_are_evenly_spaced_and_the_first_is_now(tmp_path: Path) -> None:
    clock = VirtualClock()
    assert slots(Throttle(tmp_path, "a", 60, clock), clock, 4) == pytest.approx([0.0, 1.0526, 2.1053, 3.1579], abs=1e-4)


def test_after_an_idle_hour_there_is_no_saved_up_burst(tmp_path: Path) -> None:
    clock = VirtualClock()
    throttle = Throttle(tmp_path, "a", 60, clock)
    throttle.wait()
    clock.sleep(3600.0)
    times = slots(throttle, clock, 3)
    assert times == pytest.approx([3600.0, 3600.0 + INTERVAL, 3600.0 + 2 * INTERVAL], abs=1e-3)


def test_a_file_is_a_bucket(tmp_path: Path) -> None:
    clock = VirtualClock()
    first, second, other = (Throttle(tmp_path, name, 60, clock) for name in ("a", "a", "b"))
    first.wait()
    assert slots(other, clock, 1) == [0.0]
    assert slots(second, clock, 1) == pytest.approx([INTERVAL], abs=1e-5)


def test_a_block_puts_off_everybody_and_never_shortens_another(tmp_path: Path) -> None:
    clock = VirtualClock()
    first, second = (Throttle(tmp_path, "a", 60, clock) for _ in range(2))
    first.block(310.0)
    first.block(65.0)
    assert slots(second, clock, 2) == pytest.approx([310.0, 310.0 + INTERVAL], abs=1e-5)


def test_a_block_holds_back_who_already_waits_for_a_slot(tmp_path: Path) -> None:
    sent: list[float] = []

    def asks(clock: ActorClock) -> None:
        Throttle(tmp_path, "a", 5, clock).wait()
        sent.append(clock.world.elapsed)

    def blocks(clock: ActorClock) -> None:
        clock.sleep(1.0)
        Throttle(tmp_path, "a", 5, clock).block(65.0)

    World().run([asks, asks, asks, blocks])
    assert sent[0] == 0.0
    assert sent[1:] == pytest.approx([66.0, 66.0 + 60 / 4.75], abs=1e-4)


def test_a_long_wait_is_told_beforehand(tmp_path: Path) -> None:
    clock = VirtualClock()
    throttle = Throttle(tmp_path, "a", 60, clock)
    told: list[float] = []
    throttle.wait(told.append)
    throttle.wait(told.append)
    assert told == []
    throttle.block(65.0)
    throttle.wait(told.append)
    assert told == pytest.approx([65.0], abs=0.01)


@pytest.mark.parametrize("seconds", [0.5, 3.0, 3600.0, 1e6])
@pytest.mark.parametrize("block", [0.0, 310.0])
def test_a_clock_that_is_set_back_costs_nothing(tmp_path: Path, seconds: float, block: float) -> None:
    clock = VirtualClock()
    throttle = Throttle(tmp_path, "a", 60, clock)
    throttle.wait()
    throttle.block(block)
    clock.set_by -= seconds
    times = slots(throttle, clock, 3)
    assert times == pytest.approx([max(block, INTERVAL) + n * INTERVAL for n in range(3)], abs=1e-4)


def test_a_clock_that_is_set_back_during_a_block_does_not_start_it_again(tmp_path: Path) -> None:
    class SetBackWhileAsleep(VirtualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            self.set_by = -7200.0

    clock = SetBackWhileAsleep()
    throttle = Throttle(tmp_path, "a", 60, clock)
    throttle.block(310.0)
    throttle.wait()
    assert clock.elapsed == pytest.approx(310.0, abs=1e-4)


def written_file(folder: Path) -> tuple[Path, bytes]:
    Throttle(folder, "a", 60, VirtualClock()).wait()
    (path,) = folder.iterdir()
    return path, path.read_bytes()


@pytest.mark.parametrize("length", [1, 20, 21, 41, 62])
def test_a_torn_file_means_a_minute_later(tmp_path: Path, length: int) -> None:
    path, content = written_file(tmp_path)
    path.write_bytes(content[:length])
    clock = VirtualClock()
    assert slots(Throttle(tmp_path, "a", 60, clock), clock, 2) == pytest.approx([60.0, 60.0 + INTERVAL], abs=1e-5)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00" * 63,
        b"nonsense" * 1000,
        b"%020d %020d %020d\n" % (0, 2**60, 0),  # a slot that no queue reaches
        b"%020d %020d %020d\n" % (0, 0, 2**60),  # a block that nobody declares
        b"%020d %020d %020d\n\n" % (0, 0, 0),
    ],
)
def test_a_nonsensical_file_means_a_minute_later_and_is_mended(tmp_path: Path, content: bytes) -> None:
    path, good = written_file(tmp_path)
    path.write_bytes(content)
    clock = VirtualClock()
    assert slots(Throttle(tmp_path, "a", 60, clock), clock, 2) == pytest.approx([60.0, 60.0 + INTERVAL], abs=1e-5)
    assert len(path.read_bytes()) == len(good)


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path, _ = written_file(tmp_path)
    path.write_bytes(b"")
    clock = VirtualClock()
    assert slots(Throttle(tmp_path, "a", 60, clock), clock, 2) == pytest.approx([0.0, INTERVAL], abs=1e-5)


def test_the_file_is_read_and_written_under_its_lock(tmp_path: Path) -> None:
    class Prying(VirtualClock):
        """The time is asked between reading and writing."""

        def now(self) -> datetime:
            with (tmp_path / "a.slots").open("rb") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return super().now()

    clock = Prying()
    throttle = Throttle(tmp_path, "a", 60, clock)
    throttle.block(65.0)
    throttle.wait()
    assert clock.elapsed == pytest.approx(65.0, abs=1e-3)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.slots").mkdir()
    with pytest.raises(SourceError, match=r"a\.slots.*cannot be written"):
        Throttle(tmp_path, "a", 60, VirtualClock()).wait()


ASKS = """
import sys
from pathlib import Path
from atft_pipeline.jquants.api.clock import SystemClock
from atft_pipeline.jquants.api.throttle import Throttle

class Noted(SystemClock):
    def sleep(self, seconds):
        self.slot = self.now().timestamp() + seconds
        super().sleep(seconds)

clock = Noted()
throttle = Throttle(Path(sys.argv[1]), "a", 6000, clock)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    throttle.wait()
    print(clock.slot, flush=True)
"""


def asking(folder: Path, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ASKS, str(folder), str(n)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_two_processes_keep_one_limit(tmp_path: Path) -> None:
    processes = [asking(tmp_path, 40) for _ in range(2)]
    for process in processes:
        go(process)
    noted = [[float(line) for line in process.communicate()[0].split()] for process in processes]
    together = sorted(noted[0] + noted[1])
    assert len(together) == 80
    assert max(times[0] for times in noted) < min(times[-1] for times in noted), "they did not run side by side"
    # 6000 a minute are 0.01 s each; the margin of 5% is larger than what the notes are late by.
    assert together[-1] - together[0] >= 79 * 0.01


def test_a_killed_process_leaves_a_file_that_goes_on(tmp_path: Path) -> None:
    process = asking(tmp_path, 1_000_000)
    go(process)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    told: list[float] = []
    Throttle(tmp_path, "a", 6000, SystemClock()).wait(told.append)
    assert told == [], "one interval at most is left of it"
