"""The code location: what it shows, as a snapshot that makes each change of structure a diff."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from jobs.definitions import defs

SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.json"
ROOT = Path(__file__).resolve().parent.parent


def picture() -> dict[str, Any]:
    """Keys, groups, kinds, owners, checks, jobs and schedules, as plain values."""
    graph = defs.resolve_asset_graph()
    assets = {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "kinds": sorted(tag.removeprefix("dagster/kind/") for tag in graph.get(key).tags if "kind/" in tag),
            "owners": sorted(graph.get(key).owners),
            "partitioned": graph.get(key).is_partitioned,
            "parents": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
            "pools": sorted(graph.get(key).pools or ()),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    repository = defs.get_repository_def()
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    schedules = {
        schedule.name: [schedule.cron_schedule, schedule.execution_timezone, schedule.job_name]
        for schedule in repository.schedule_defs
    }
    return {
        "assets": assets,
        "jobs": jobs,
        "schedules": schedules,
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    }


def test_the_graph_is_the_one_on_record(request: pytest.FixtureRequest) -> None:
    present = json.dumps(picture(), indent=1, sort_keys=True) + "\n"
    if request.config.getoption("--update-snapshot"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(present)
    assert present == SNAPSHOT.read_text(), "The asset graph changed: if it was meant, run `make snapshot`."


def test_every_asset_is_described_owned_and_checked() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert node.description, name
        assert node.owners == ["team:atft"], name
        assert node.code_version, name
        assert graph.get_check_keys_for_assets({key}), name


def test_models_share_the_pool_of_the_device() -> None:
    graph = defs.resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.get_all_asset_keys()}
    assert {name for name, pool in pools.items() if pool == {"gpu"}} == {
        name for name in pools if name.startswith("fold_models/")
    }


def test_the_workspace_file_points_at_the_composition_root() -> None:
    entry = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_file"]
    assert (ROOT / entry["working_directory"] / entry["relative_path"]).samefile(ROOT / "jobs" / "definitions.py")


def test_the_location_loads_without_the_heavy_libraries() -> None:
    script = (
        "import sys; import jobs.definitions;"
        "print(sorted({'torch', 'torch_geometric', 'mlflow', 'numba', 'pandera', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_schedule_runs_on_sessions_only() -> None:
    schedule = next(s for s in defs.get_repository_def().schedule_defs if s.name == "after_the_close")
    assert schedule.cron_schedule == "30 19 * * 1-5"
    assert isinstance(schedule, dg.ScheduleDefinition)
