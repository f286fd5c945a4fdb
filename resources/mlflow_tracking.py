"""MLflow: one parent run per Dagster run, one child per materialization, opened after the commit.

Assets never call MLflow. The IO manager hands over what was committed; a promoted champion becomes a version of the
registered model, logged as code and safetensors weights.
"""

from __future__ import annotations

import logging
import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from atft_pipeline.settings import Settings, flatten
from resources.manifest import Manifest, hash_of_all
from resources.structure import structure

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "atft_pipeline"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's page opens an experiment on an overview of traces, which there are none of."""

CHAMPION_ALIAS = "champion"


class MLflowTracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Records each materialization in the preset's own MLflow store."""

    def log_materialization(
        self, context: dg.OutputContext, asset: str, value: Any, manifests: Sequence[Manifest], folder: Path
    ) -> str:
        """Open and close the child run of one step; gives the address of its page. `folder` holds what was committed.

        A value whose `promoted` is true brings a model in `folder`/model, which becomes the registered champion.
        """
        home = structure().settings.home
        client, experiment = open_store(home)
        parent = self._parent(client, experiment, context.run_id)
        run = client.create_run(
            experiment,
            run_name=asset,
            tags={
                "mlflow.parentRunId": parent,
                "asset": asset,
                "dagster_run_id": context.run_id,
                "dagster_run_url": f"{structure().settings.pages.dagster}/runs/{context.run_id}",
                "content_hash": hash_of_all(manifests),
                "code_version": manifests[-1].provenance.code_version,
                "settings_hash": manifests[-1].provenance.settings_hash,
                "contract_hash": manifests[-1].provenance.contract_hash,
                "partitions": ", ".join(str(m.partition) for m in (manifests[0], manifests[-1]) if m.partition),
            },
        )
        metrics = {**_numbers(context.output_metadata), "megabytes": sum(m.size for m in manifests) / 1e6}
        if manifests[-1].rows is not None:
            metrics["rows"] = float(sum(m.rows or 0 for m in manifests))
        _log_metrics(client, run.info.run_id, metrics)
        if hasattr(value, "training_curve"):
            _log_curves(client, run.info.run_id, value.training_curve())
        client.set_terminated(run.info.run_id, "FINISHED")
        if getattr(value, "promoted", False):
            register_champion(home, run.info.run_id, folder / "model")
        return f"{structure().settings.pages.mlflow}/#/experiments/{experiment}/runs/{run.info.run_id}"

    def _parent(self, client: MlflowClient, experiment: str, dagster_run_id: str) -> str:
        found = find_parent(client, experiment, dagster_run_id)
        if found is not None:
            return found
        run = client.create_run(
            experiment,
            run_name=f"dagster {dagster_run_id[:8]}",
            tags={
                "dagster_run_id": dagster_run_id,
                "dagster_run_url": f"{structure().settings.pages.dagster}/runs/{dagster_run_id}",
                "preset": structure().settings.preset,
            },
        )
        for key, text in _parameters(structure().settings).items():
            client.log_param(run.info.run_id, key, text)
        return str(run.info.run_id)


def find_parent(client: MlflowClient, experiment: str, dagster_run_id: str) -> str | None:
    """The parent run of a Dagster run, or None; children carry a parent tag and are left out."""
    runs = client.search_runs([experiment], f"tags.dagster_run_id = '{dagster_run_id}'", max_results=500)
    parents = [run.info.run_id for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return str(parents[0]) if parents else None


def close_runs(home: Path, dagster_run_id: str, *, succeeded: bool) -> None:
    """End what is open of a Dagster run that has ended: the parent, and a child that a kill left open."""
    client, experiment = open_store(home)
    for run in client.search_runs([experiment], f"tags.dagster_run_id = '{dagster_run_id}'", max_results=1000):
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "FINISHED" if succeeded else "FAILED")


@cache
def open_store(home: Path) -> tuple[MlflowClient, str]:
    """Client and experiment id of a preset's store: SQLite beside the lake, artefacts in a folder beside it."""
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # tables that it creates are no news
    folder = (home / "mlflow").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=store_uri(home))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return client, str(experiment.experiment_id)
    created = client.create_experiment(EXPERIMENT, (folder / "artifacts").as_uri(), KIND)
    return client, str(created)


def store_uri(home: Path) -> str:
    """SQLAlchemy address of the store; an absolute path, so that it holds from any working directory."""
    return f"sqlite:///{(home / 'mlflow' / 'mlflow.db').resolve()}"


def register_champion(home: Path, run_id: str, folder: Path) -> str:
    """Log a model of `folder` with a run, as code and safetensors, and give it the alias; returns its address."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():  # on import MLflow warns of the type hints of its own classes
        warnings.filterwarnings("ignore", ".*inferred as AnyType", UserWarning)
        import mlflow.pyfunc

    client, _ = open_store(home)
    name = registered_model()
    mlflow.set_tracking_uri(store_uri(home))
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("champion_pyfunc.py")),
            artifacts={"model": str(folder)},
            pip_requirements=["atft-pipeline"],
        )
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, logged.model_uri, run_id, model_id=logged.model_id)
    client.set_registered_model_alias(name, CHAMPION_ALIAS, version.version)
    return f"models:/{name}@{CHAMPION_ALIAS}"


def registered_model() -> str:
    """Name of the preset's registered model."""
    return f"atft_{structure().settings.preset}"


def _numbers(metadata: Mapping[str, Any]) -> dict[str, float]:
    values = {name: getattr(value, "value", value) for name, value in metadata.items()}
    return {
        re.sub(r"[^\w\-./ ]", "_", name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _log_metrics(client: MlflowClient, run_id: str, metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(name, value, 0, 0) for name, value in sorted(metrics.items())])


def _log_curves(client: MlflowClient, run_id: str, curve: pl.DataFrame) -> None:
    """Every number of a table with a column `epoch`, as metrics by epoch."""
    from mlflow.entities import Metric

    entries = [
        Metric(name, value, 0, row["epoch"])
        for row in curve.iter_rows(named=True)
        for name, value in row.items()
        if name != "epoch" and isinstance(value, float) and math.isfinite(value)
    ]
    client.log_batch(run_id, metrics=entries)


def _parameters(settings: Settings) -> dict[str, str]:
    return {key: str(value) for key, value in flatten(settings.model_dump(mode="json", exclude={"store"})).items()}
