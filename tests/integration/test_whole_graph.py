"""The job `research` on a tiny simulated market: once, for real, then looked at from every side."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from atft_pipeline.cache import ArrowCache
from atft_pipeline.champion import Champion
from atft_pipeline.evaluation.evaluate import Evaluation
from atft_pipeline.jquants.attainable import attainable_rank_ic
from atft_pipeline.settings import load_settings
from atft_pipeline.training.trained_model import TrainedModel
from jobs.definitions import defs
from jobs.plan import plan
from jobs.run import Outcome, run_job
from jobs.schedules import RANGE_END, RANGE_START
from jobs.summary import print_outcome
from resources.currency import asset_name
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.mlflow_tracking import open_store, register_champion, registered_model
from resources.structure import process_overrides, structure


@pytest.fixture
def lake(outcome: Outcome) -> Lake:
    """The lake after the run."""
    return LakeResource().open()


def test_every_step_and_every_blocking_check_passes(outcome: Outcome) -> None:
    assert outcome.errors == {}
    assert outcome.failed_checks == ()


def test_every_asset_of_the_job_is_committed(outcome: Outcome, lake: Lake) -> None:
    job = defs.resolve_job_def("research")
    graph = job.asset_layer.asset_graph
    for key in job.asset_layer.executable_asset_keys:
        name = asset_name(key)
        made = lake.partitions(name) if graph.get(key).is_partitioned else [None]
        assert made, name
        assert lake.manifest(name, made[-1]) is not None, name


def test_a_second_run_has_nothing_to_do(outcome: Outcome) -> None:
    again = run_job(defs, "research")
    assert again.run_id == ""
    assert again.plan.reasons == {}
    assert len(again.plan.reused) == len(outcome.plan.reasons)


def test_the_files_hold_the_contract(lake: Lake) -> None:
    frame = lake.scan("features").collect()
    assert frame.columns == ["Date", "Code", *structure().contract.names]
    assert frame["Date"].min() == structure().data_start or frame["Date"].min() > structure().data_start  # type: ignore[operator]
    assert frame["Date"].max() == structure().as_of


def test_models_differ_by_fold_and_have_spread(lake: Lake) -> None:
    models = [lake.read(f"fold_models/{name}", None, TrainedModel) for name in (*structure().fold_names, "full")]
    assert len({model.identity for model in models}) == len(models)
    for model in models:
        assert all(value > 0 for value in model.scale().values())


def test_the_evaluation_stands_beside_the_baselines_and_has_a_report(lake: Lake) -> None:
    evaluation = lake.read("evaluation", None, Evaluation)
    assert {"atft_gat_fan", "ridge"} <= set(evaluation.facts["models"])
    report = lake.file("evaluation", None, "report.html").read_text()
    assert "ridge" in report
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_the_run_ends_with_its_results_and_what_could_be_reached(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    print_outcome(outcome)
    said = capsys.readouterr().out
    reach = attainable_rank_ic(structure().settings).row(1, named=True)
    assert f"{reach['horizon']} {reach['with_peers']:.3f} ({reach['without_peers']:.3f})" in said
    for word in ("RankIC", "95% interval", "atft_gat_fan", "ridge", "Top 10 of", "report.html"):
        assert word in said


def test_the_latest_session_is_ranked(lake: Lake) -> None:
    champion = lake.read("champion_model", None, Champion)
    if champion.model is None:
        assert champion.promotion.outcome == "rejected"
        assert lake.partitions("daily_signals") == []
        return
    signals = lake.scan("daily_signals").collect()
    assert signals["Date"].unique().to_list() == [structure().as_of]
    assert signals["rank"].to_list() == list(range(1, signals.height + 1))
    assert signals["score"].is_sorted(descending=True)
    assert signals["last_training_label"].max() <= structure().as_of  # type: ignore[operator]


def test_mlflow_has_a_parent_with_a_child_per_step_and_links_back(outcome: Outcome) -> None:
    client, experiment = open_store(structure().settings.home)
    runs = client.search_runs([experiment], f"tags.dagster_run_id = '{outcome.run_id}'", max_results=500)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert {run.data.tags["asset"] for run in children} == {asset_name(key) for key in outcome.plan.reasons}
    for run in children:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert outcome.run_id in run.data.tags["dagster_run_url"]


def test_mlflow_has_the_training_curve_of_a_model(outcome: Outcome) -> None:
    client, experiment = open_store(structure().settings.home)
    (run,) = client.search_runs([experiment], "tags.asset = 'fold_models/fold_0'")
    losses = client.get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in losses] == [1, 2, 3, 4]
    assert all(point.value > 0 for point in losses)


def test_a_registered_model_scores_as_the_trained_one(outcome: Outcome, lake: Lake, tmp_path: Path) -> None:
    """Code and safetensors, logged, registered and loaded back through MLflow alone, without a warning."""
    import mlflow

    client, experiment = open_store(tmp_path)
    run = client.create_run(experiment)
    address = register_champion(tmp_path, run.info.run_id, lake.file("fold_models/full", None))
    graphs, session = tmp_path / "graphs.parquet", structure().as_of
    lake.scan("graphs").collect().write_parquet(graphs)
    loaded = mlflow.pyfunc.load_model(address)
    cache = lake.file("arrow_cache", None, "cache.arrow")
    rows = loaded.predict([{"cache": str(cache), "graphs": str(graphs), "session": str(session)}])
    model = lake.read("fold_models/full", None, TrainedModel)
    expected = model.predict(ArrowCache.open(cache), pl.read_parquet(graphs), [session])
    assert [(row.Code, row.horizon, row.score) for row in rows] == expected.select("Code", "horizon", "score").rows()
    assert client.get_model_version_by_alias(registered_model(), "champion").version == 1


def test_a_row_fetched_again_unchanged_keeps_its_first_time(outcome: Outcome, lake: Lake) -> None:
    first = lake.scan("topix").collect()
    months = lake.partitions("topix")
    result = defs.resolve_job_def("research").execute_in_process(
        instance=dg.DagsterInstance.get(),
        asset_selection=[dg.AssetKey("topix")],
        tags={RANGE_START: months[0], RANGE_END: months[-1]},
    )
    assert result.success
    assert lake.scan("topix").collect().equals(first)
    with pytest.raises(dg.DagsterInvariantViolationError, match="No outputs found"):
        result.output_for_node("topix")  # a run holds no table that it has committed


def test_odd_rows_are_told_on_the_page_of_the_raw_asset(outcome: Outcome) -> None:
    event = dg.DagsterInstance.get().get_latest_materialization_event(dg.AssetKey("daily_bars"))
    assert event is not None
    assert event.asset_materialization is not None
    assert "- rows without a price (no trade): " in str(event.asset_materialization.metadata["warnings"].value)


def test_dagster_has_the_address_of_the_mlflow_run(outcome: Outcome) -> None:
    instance = dg.DagsterInstance.get()
    event = instance.get_latest_materialization_event(dg.AssetKey("arrow_cache"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "/runs/" in str(metadata["mlflow_run"].value)
    assert metadata["seconds"].value is not None


def test_a_collapsed_family_is_named(lake: Lake) -> None:
    """The check reads the saved file: a family that vanished from it cannot hide behind the frame in memory."""
    from assets.features import no_feature_family_collapsed

    dropped = [column.name for column in structure().contract.columns if column.family == "sector"]
    saved = {month: lake.scan("features", [month]).collect() for month in lake.partitions("features")}
    before = {month: lake.manifest("features", month) for month in saved}
    try:
        for month, manifest in before.items():
            assert manifest is not None
            lake.commit("features", month, saved[month].drop(dropped), manifest.provenance)
        result = no_feature_family_collapsed(LakeResource())
        assert isinstance(result, dg.AssetCheckResult)
        assert not result.passed
        assert "sector" in (result.description or "")
    finally:
        for month, manifest in before.items():
            assert manifest is not None
            again = lake.commit("features", month, saved[month], manifest.provenance)
            assert again.content_hash == manifest.content_hash


def test_a_changed_setting_makes_only_what_depends_on_it_again(outcome: Outcome, lake: Lake) -> None:
    changed = load_settings("demo", {**process_overrides(), "evaluation.ridge_alpha": 5.0})
    todo = plan(defs, "research", dg.DagsterInstance.get(), lake, structure(), changed)
    names = {asset_name(key) for key in todo.reasons}
    assert names == {"baselines", "evaluation", "champion_model", "daily_signals"}


def test_reports_are_plain_files(lake: Lake) -> None:
    facts = json.loads(lake.file("evaluation", None, "evaluation.json").read_text())
    assert facts["seed"] == structure().settings.seed
    assert isinstance(lake.file("evaluation", None), Path)
    assert pl.read_parquet(lake.file("evaluation", None, "daily.parquet")).height > 0
