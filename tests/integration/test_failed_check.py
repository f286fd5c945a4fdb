"""What a blocking check has refused is not current: nothing is made from it by simply running again."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from jobs.blocking_checks import execute_unreached_checks
from jobs.definitions import defs
from jobs.plan import Plan, plan
from jobs.run import Outcome, run_job
from resources.io_manager import LakeResource
from resources.structure import structure

CACHE, CHECK = dg.AssetKey("arrow_cache"), "no_column_knows_the_future"


@pytest.fixture
def instance(outcome: Outcome) -> Iterator[dg.DagsterInstance]:
    """The run's own instance; afterwards the check has passed again."""
    with dg.DagsterInstance.get() as instance:
        yield instance
        tell(instance, passed=True)


def tell(
    instance: dg.DagsterInstance, *, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> None:
    """Put an outcome of the check on record, as its execution does."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=CACHE, check_name=CHECK, passed=passed, severity=severity)
    )


def todo(instance: dg.DagsterInstance) -> Plan:
    return plan(defs, "research", instance, LakeResource().open(), structure(), structure().settings)


def test_a_failed_blocking_check_makes_its_asset_and_what_follows_due(instance: dg.DagsterInstance) -> None:
    assert todo(instance).reasons == {}
    tell(instance, passed=False)
    reasons = todo(instance).reasons
    assert reasons[CACHE] == f"check {CHECK} did not pass"
    assert reasons[dg.AssetKey(["fold_models", "full"])] == "arrow_cache is made again"
    assert dg.AssetKey("features") not in reasons


def test_a_check_that_a_killed_run_never_reached_is_executed_first(instance: dg.DagsterInstance) -> None:
    job, lake = defs.resolve_job_def("research"), LakeResource().open()
    dead = instance.create_run_for_job(job)  # it plans every check of the job
    assert execute_unreached_checks(job, instance, lake) == ()  # it may still reach them
    instance.report_run_failed(dead)
    assert f"arrow_cache: {CHECK}" in execute_unreached_checks(job, instance, lake)
    assert execute_unreached_checks(job, instance, lake) == ()
    assert todo(instance).reasons == {}  # they passed


def test_a_warning_holds_nothing_up(instance: dg.DagsterInstance) -> None:
    tell(instance, passed=False, severity=dg.AssetCheckSeverity.WARN)
    assert todo(instance).reasons == {}


def test_running_again_checks_again(instance: dg.DagsterInstance) -> None:
    tell(instance, passed=False)
    again = run_job(defs, "research", to=["arrow_cache"])
    assert list(again.plan.reasons) == [CACHE]
    assert again.failed_checks == ()
    assert todo(instance).reasons == {}  # it was made again to the same content, so nothing after it is due
