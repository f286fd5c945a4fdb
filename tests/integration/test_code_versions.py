"""What ran while an asset was made, against what its code version follows: a second way to the same set."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import dagster as dg
import pytest

from jobs.definitions import defs
from jobs.run import Outcome
from jobs.schedules import RANGE_END, RANGE_START
from resources import progress
from resources.code_version import STOPS, Codebase
from resources.mlflow_tracking import MLflowTracking
from tests.test_code_versions import starts

ROOT = Path(__file__).resolve().parent.parent.parent
MADE = (
    "daily_bars",
    "universe",
    "features",
    "targets",
    "graphs",
    "normalization_stats",
    "arrow_cache",
    "purged_folds",
    "baselines",
    "fold_models/fold_0",
)
SHOWN = ("atft_pipeline.drawing", "atft_pipeline.evaluation.plots", "atft_pipeline.features.lineage")
"""What only the pages of these assets show."""


class Watch(progress.PlainReporter):
    """Notes, by asset, each definition of the library that runs between the asset's begin and its commit."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: dict[str, set[tuple[str, str]]] = {}
        self._present: str | None = None
        self._names: dict[CodeType, tuple[str, str] | None] = {}
        self._imports = threading.local()

    def begin(self, stage: str) -> None:
        """The asset to note for."""
        self._present = stage

    def end(self, stage: str, summary: str) -> None:
        """It was committed."""
        self._present = None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """For `sys.setprofile`. What runs while a module is imported is no part of making an asset."""
        code = frame.f_code
        if code.co_name == "<module>" and event in ("call", "return"):
            self._imports.depth = getattr(self._imports, "depth", 0) + (1 if event == "call" else -1)
        elif event == "call" and self._present is not None and not getattr(self._imports, "depth", 0):
            if code not in self._names:
                self._names[code] = _definition(code)
            if (name := self._names[code]) is not None:
                self.ran.setdefault(self._present, set()).add(name)


def _definition(code: CodeType) -> tuple[str, str] | None:
    """Module and name at its top of what a code object belongs to; None outside the library."""
    path = Path(code.co_filename)
    if path.suffix != ".py" or not path.is_relative_to(ROOT / "atft_pipeline"):
        return None
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = code.co_qualname.split(".")[0]
    return (".".join(parts), name) if not name.startswith("<") else None


@contextmanager
def watching() -> Iterator[Watch]:
    watch, before = Watch(), progress.reporter()
    progress._present = watch
    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield watch
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        progress._present = before


@pytest.mark.slow
def test_nothing_runs_for_an_asset_that_its_version_does_not_follow(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome.errors == {}
    monkeypatch.setattr(MLflowTracking, "log_materialization", lambda *_: "")
    # Dagster's and MLflow's records stay as the shared run left them
    keys = {dg.AssetKey(name.split("/")) for name in MADE}
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
    with watching() as watch:
        tags = {RANGE_START: "2024-11", RANGE_END: "2024-12"}
        assert job.execute_in_process(instance=dg.DagsterInstance.ephemeral(), tags=tags).success
    code = Codebase(ROOT)
    for name in MADE:
        reached = set(code.reached(starts()[name]))
        followed = {
            (module, definition)
            for module, number in reached
            for definition, places in code.code(module).defined.items()
            if number in places
        }
        unseen = {f"{module}.{definition}" for module, definition in watch.ran[name] - followed}
        assert watch.ran[name] & followed, name
        assert not {each for each in unseen if not each.startswith((*STOPS, *SHOWN))}, name
