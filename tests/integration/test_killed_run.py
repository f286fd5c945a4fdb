"""kill -9 inside every asset: nothing half-made stays, and the run that goes on ends with the same bits."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.integration.processes import atft
from tests.integration.stoppable_runs import (
    LONG,
    contents,
    next_stage,
    require_nothing_hangs,
    started,
    wait_for_checkpoint,
)


@pytest.mark.slow
def test_killed_at_every_asset_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    with started(undisturbed) as whole:  # beside the other: most of a killed run is starting up
        moment = random.Random(7)
        committed: list[str] = []
        while (stage := _kill_after_one_stage(disturbed, moment.uniform(0.0, 0.4))) is not None:
            committed.append(stage)
            assert len(committed) < 60, committed
        said, _ = whole.communicate(timeout=300)
        assert whole.returncode == 0, said
    assert {"features", "arrow_cache", "fold_models/fold_0", "evaluation"} <= set(committed)
    assert len(committed) > 20

    last = atft(disturbed, "run", settings=LONG)
    assert last.returncode == 0, last.stdout
    assert contents(disturbed) == contents(undisturbed)
    require_nothing_hangs(disturbed)


def _kill_after_one_stage(store: Path, delay: float) -> str | None:
    """Kill a run inside the stage after the next one; training only once it has a checkpoint to go on from."""
    with started(store) as child:
        stage = next_stage(child)
        if stage is None:
            return None
        time.sleep(delay)
        if stage == "baselines":
            wait_for_checkpoint(store, child)
        child.send_signal(signal.SIGKILL)
        child.wait()
        return stage
