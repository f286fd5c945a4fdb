"""One run of a job in this process: bury the dead, plan, execute, close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from jobs.blocking_checks import execute_unreached_checks
from jobs.killed_runs import bury_killed_runs, process_tag
from jobs.plan import Plan, plan
from jobs.schedules import RANGE_END, RANGE_START
from resources.io_manager import LakeResource
from resources.mlflow_tracking import close_runs
from resources.progress import reporter
from resources.structure import structure

INTERRUPTED = "DagsterExecutionInterruptedError"
ERROR_THEN_WARN = (dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN)


@dataclass(frozen=True)
class Outcome:
    """What a run did: its plan, its Dagster id (empty when nothing had to be done), and what went wrong.

    `failed_checks` are those that block; `warnings` are checks that ask for a look. `interrupted` names the asset that
    Ctrl-C or SIGTERM stopped.
    """

    plan: Plan
    run_id: str
    errors: dict[str, str]
    failed_checks: tuple[str, ...]
    warnings: tuple[str, ...]
    interrupted: str | None = None


def run_job(
    defs: dg.Definitions, job: str, *, to: Sequence[str] = (), within: tuple[str, str] | None = None
) -> Outcome:
    """Materialize what is not current. Needs DAGSTER_HOME.

    Raises:
        SettingsError: `to` or `within` do not fit the job.
    """
    shape = structure()
    instance = dg.DagsterInstance.get()
    for run_id in bury_killed_runs(instance):
        print(f"Run {run_id[:8]} was killed: marked as failed, its slots are free.", flush=True)
    for check in execute_unreached_checks(defs.resolve_job_def(job), instance, LakeResource().open()):
        print(f"A killed run had not reached the check {check}: executed.", flush=True)
    todo = plan(defs, job, instance, LakeResource().open(), shape, shape.settings, to=to, within=within)
    if not todo.reasons:
        return Outcome(todo, "", {}, (), ())
    reporter().expect(len(todo.reasons))
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        asset_selection=list(todo.reasons),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},  # progress is told by the reporter
        tags={RANGE_START: todo.months[0], RANGE_END: todo.months[1], **process_tag()},
        raise_on_error=False,
    )
    reporter().close()
    close_runs(shape.settings.home, result.run_id, succeeded=result.success)
    blocking, warning = (_failed_checks(result, severity) for severity in ERROR_THEN_WARN)
    errors = _errors(result)
    interrupted = next((asset for asset, message in errors.items() if INTERRUPTED in message), None)
    if interrupted is not None:
        del errors[interrupted]
    return Outcome(todo, result.run_id, errors, blocking, warning, interrupted)


def _errors(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """The innermost message of each failed step, by the name of its asset."""
    found: dict[str, str] = {}
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            message = error.message.strip() if error is not None else "no message"
            if "DagsterAssetCheckFailedError" not in message:  # told as a failed check
                found[event.step_key.replace("__", "/")] = message
    return found


def _failed_checks(result: dg.ExecuteInProcessResult, severity: dg.AssetCheckSeverity) -> tuple[str, ...]:
    return tuple(
        f"{check.asset_key.to_user_string()}: {check.check_name}"
        + (f" ({check.description})" if check.description else "")
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == severity
    )
