"""Sensors: MLflow's parent run ends when its Dagster run does."""

from __future__ import annotations

import dagster as dg

from resources.mlflow_tracking import close_runs
from resources.structure import structure


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING)
def close_mlflow_run_after_success(context: dg.RunStatusSensorContext) -> None:
    """Marks the parent run FINISHED."""
    close_runs(structure().settings.home, context.dagster_run.run_id, succeeded=True)


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def close_mlflow_run_after_failure(context: dg.RunFailureSensorContext) -> None:
    """Marks the parent run FAILED."""
    close_runs(structure().settings.home, context.dagster_run.run_id, succeeded=False)


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.CANCELED, default_status=dg.DefaultSensorStatus.RUNNING)
def close_mlflow_run_after_cancellation(context: dg.RunStatusSensorContext) -> None:
    """Marks the parent run FAILED: someone stopped it from the page."""
    close_runs(structure().settings.home, context.dagster_run.run_id, succeeded=False)


SENSORS = [close_mlflow_run_after_success, close_mlflow_run_after_failure, close_mlflow_run_after_cancellation]
