"""Settings: one tree, three origins, refusals that name key, value, limit and remedy."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from atft_pipeline.errors import SettingsError
from atft_pipeline.settings import Settings, flatten, load_settings, parse_assignments, preset_names

NONE: dict[str, str] = {}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_whole(name: str) -> None:
    assert load_settings(name, environ=NONE).preset == name


def test_overrides_win_over_the_environment_and_the_environment_over_the_preset() -> None:
    environ = {"ATFT_FOLDS__N_FOLDS": "4", "ATFT_MODEL__HIDDEN": "64"}
    settings = load_settings("demo", {"folds.n_folds": 5}, environ=environ)
    assert (settings.folds.n_folds, settings.model.hidden, settings.folds.holdout) == (5, 64, 60)


@pytest.mark.parametrize(
    "overrides",
    [{"model.graph.enabled": "false"}, {"model": {"graph": {"enabled": False}}}, {"model.graph.enabled": False}],
)
def test_dotted_keys_nested_mappings_and_text_mean_the_same(overrides: dict[str, Any]) -> None:
    assert load_settings("demo", overrides, environ=NONE).model.graph.enabled is False


def test_text_is_read_as_toml() -> None:
    overrides = {
        "period.sessions": "null",
        "model.fan.kind": "none",
        "period.end": "2024-06-28",
        "targets.horizons": "[1, 5]",
    }
    settings = load_settings("demo", overrides, environ=NONE)
    assert settings.period.sessions is None
    assert settings.model.fan.kind == "none"
    assert settings.period.end == date(2024, 6, 28)
    assert settings.targets.horizons == (1, 5)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"fold.n_folds": 3}, ["'fold' is not a setting", "overrides", "Did you mean 'folds'?"]),
        ({"model.hiden": 3}, ["model.hiden", "Did you mean 'hidden'?"]),
        ({"folds.n_folds": 1}, ["folds.n_folds = 1", "greater than or equal to 2"]),
        ({"folds": 3}, ["folds is a section", "folds.n_folds"]),
        ({"folds.n_folds.x": 3}, ["n_folds holds a value"]),
        ({"model.hidden": 30}, ["model.hidden 30 is not a multiple"]),
        ({"targets.horizons": [1, 40], "training.monitor_horizon": 1}, ["folds.horizon 20", "40"]),
        ({"training.monitor_horizon": 7}, ["monitor_horizon 7"]),
        ({"source.path": "x"}, ["source.path", "--source DIR"]),
        ({"period.data_start": "2020-01-06"}, ["period.data_start and period.sessions"]),
        ({"loss.horizon_weights": [1.0]}, ["1 weights for 4 horizons"]),
        ({"graph.min_common": 300}, ["graph.min_common 300 exceeds graph.window 252"]),
        ({"device.precision": "float16"}, ["device.precision = 'float16'"]),
        ({"folds.n_folds": 3, "folds": {"n_folds": 4}}, ["folds.n_folds is given twice"]),
    ],
)
def test_a_refusal_names_key_value_and_limit(overrides: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("demo", overrides, environ=NONE)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


def test_an_unknown_variable_of_the_environment_is_refused() -> None:
    with pytest.raises(SettingsError, match="environment"):
        load_settings("demo", environ={"ATFT_FOLD__N": "3"})


def test_reserved_variables_are_no_settings() -> None:
    assert load_settings("demo", environ={"ATFT_PRESET": "tse", "ATFT_OVERRIDES": "{}"}).preset == "demo"


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="demo, jquants, production, tse"):
        load_settings("test", environ=NONE)


def test_assignments_of_the_command_line() -> None:
    assert parse_assignments(["a.b=1", "c = x=y"]) == {"a.b": "1", "c": "x=y"}
    with pytest.raises(SettingsError, match="given twice"):
        parse_assignments(["a=1", "a=2"])
    with pytest.raises(SettingsError, match="key=value"):
        parse_assignments(["a"])


def test_settings_are_frozen() -> None:
    settings = load_settings("demo", environ=NONE)
    with pytest.raises(ValueError, match="frozen"):
        settings.__setattr__("seed", 1)


def test_the_hash_sees_its_sections_and_nothing_else() -> None:
    base = load_settings("demo", environ=NONE)
    other = load_settings("demo", {"training.patience": 9, "store": "/elsewhere"}, environ=NONE)
    assert base.hash(["folds", "model"]) == other.hash(["model", "folds"])
    assert base.hash(["training"]) != other.hash(["training"])
    assert base.hash(["training.epochs"]) == other.hash(["training.epochs"])


def test_every_key_can_be_given_back() -> None:
    settings = load_settings("demo", environ=NONE)
    flat = {key: value for key, value in flatten(settings.model_dump(mode="json")).items() if key != "preset"}
    assert load_settings("demo", flat, environ=NONE) == settings
    assert isinstance(settings, Settings)
    assert settings.home == Path(".atft/demo")
