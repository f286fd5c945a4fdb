"""One run of the job `research` on the tests' tiny market, shared by all that look at it."""

from __future__ import annotations

import pytest

from jobs.definitions import defs
from jobs.home import prepare_home
from jobs.run import Outcome, run_job
from resources.structure import structure


@pytest.fixture(scope="session")
def outcome() -> Outcome:
    """What the run did."""
    prepare_home(structure().settings)
    return run_job(defs, "research")
