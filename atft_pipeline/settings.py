"""One typed tree of settings, and the only way to make it: a preset, then the environment, then overrides.

`ATFT_MODEL__HIDDEN=64` in the environment and `{"model.hidden": 64}` as an override name the same key. An unknown
key, a key given twice at the same level or a value out of range is refused with the key, the value, the limit and
the remedy. (pydantic-settings was tried: it drops unknown top-level variables without a word.)
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError, model_validator

from atft_pipeline.errors import SettingsError
from atft_pipeline.sections import (
    DeviceSettings,
    EvaluationSettings,
    FeatureSettings,
    FoldSettings,
    GraphSettings,
    LossSettings,
    ModelSettings,
    PageSettings,
    PeriodSettings,
    Section,
    SourceSettings,
    TargetSettings,
    TrainingSettings,
    UniverseSettings,
)

ENV_PREFIX = "ATFT_"
RESERVED_ENV = ("ATFT_PRESET", "ATFT_OVERRIDES", "ATFT_TEST_TSE", "ATFT_TEST_BROWSER")
"""Read elsewhere: the preset's name, the overrides of `atft run --set`, the folder of the real-data tests, whether
the browser tests may be skipped."""


class Settings(Section):
    """Everything that decides an outcome. Sections and keys are the public names used by --set and ATFT_*."""

    preset: str
    seed: int = 20180104
    store: Path = Path(".atft")
    source: SourceSettings = SourceSettings()
    period: PeriodSettings = PeriodSettings()
    universe: UniverseSettings = UniverseSettings()
    features: FeatureSettings = FeatureSettings()
    targets: TargetSettings = TargetSettings()
    graph: GraphSettings = GraphSettings()
    folds: FoldSettings = FoldSettings()
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    device: DeviceSettings = DeviceSettings()
    pages: PageSettings = PageSettings()

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.folds.horizon < max(self.targets.horizons):
            raise ValueError(
                f"folds.horizon {self.folds.horizon} is shorter than the longest target {max(self.targets.horizons)}:"
                " labels would cross the purge"
            )
        if self.training.monitor_horizon not in self.targets.horizons:
            raise ValueError(
                f"training.monitor_horizon {self.training.monitor_horizon} is not in targets.horizons"
                f" {self.targets.horizons}"
            )
        weights = self.loss.horizon_weights
        if weights is not None and len(weights) != len(self.targets.horizons):
            raise ValueError(
                f"loss.horizon_weights has {len(weights)} weights for {len(self.targets.horizons)} horizons"
            )
        return self

    @property
    def home(self) -> Path:
        """Folder of this preset: Dagster's home, the lake and MLflow's store lie beside each other in it."""
        return self.store / self.preset

    def hash(self, sections: Iterable[str]) -> str:
        """Short hash of some sections, by dotted name; other sections and the store's place stay out of it."""
        values: dict[str, Any] = {}
        for name in sorted(sections):
            value: Any = self
            for part in name.split("."):
                value = getattr(value, part)
            values[name] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        text = json.dumps(values, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


STRUCTURE = ("preset", "store", "source", "period", "universe", "features", "targets", "folds", "graph", "pages")
"""Sections that decide partitions, assets or data: fixed before the location loads, refused in run config."""


def preset_names() -> tuple[str, ...]:
    """Names of the presets that come with the package."""
    folder = resources.files("atft_pipeline") / "presets"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_settings(
    preset: str = "demo",
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings of a preset, changed by the environment, then by overrides.

    Args:
        preset: name of a preset (`preset_names()`).
        overrides: dotted keys or nested mappings, e.g. `{"folds.n_folds": 3}` or `{"folds": {"n_folds": 3}}`.
            Text values are read as TOML values, else as text.
        environ: variables to read `ATFT_*` from; by default those of the process.

    Raises:
        SettingsError: unknown preset or key, a key given twice, a value out of range, sections that disagree.
    """
    if preset not in preset_names():
        raise SettingsError(
            f"preset = {preset!r} is not one of {', '.join(preset_names())}.", remedy="Choose one of these."
        )
    text = (resources.files("atft_pipeline") / "presets" / f"{preset}.toml").read_text()
    tree: dict[str, Any] = {"preset": preset}
    for origin, values in (
        (f"preset {preset}", flatten(tomllib.loads(text))),
        ("environment", _from_environment(os.environ if environ is None else environ)),
        ("overrides", flatten(overrides or {})),
    ):
        for key, value in values.items():
            _put(tree, key, value, origin)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(_describe(problem) for problem in error.errors()),
            remedy="Correct the key or the value; `atft settings` lists every key with its present value.",
        ) from error


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`["a.b=1", "c=x"]`, as given to `--set`, as a mapping; a key given twice is refused."""
    found: dict[str, str] = {}
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not sign or not key.strip():
            raise SettingsError(
                f"--set {assignment!r} is not of the form key=value.", remedy="Write --set folds.n_folds=3."
            )
        if key.strip() in found:
            raise SettingsError(f"--set {key.strip()} is given twice.", remedy="Give it once.")
        found[key.strip()] = value.strip()
    return found


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys, text values parsed; a key given in both forms is refused."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
        for name, leaf in inner.items():
            if name in flat:
                raise SettingsError(f"{name} is given twice.", remedy="Give it once.")
            flat[name] = _parse(leaf) if isinstance(leaf, str) else leaf
    return flat


def _parse(text: str) -> Any:
    """A TOML value (number, true, date, list), else the text as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None if text == "null" else text


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and name not in RESERVED_ENV:
            found[name.removeprefix(ENV_PREFIX).lower().replace("__", ".")] = _parse(value)
    return found


def _put(tree: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *parents, leaf = key.split(".")
    model: type[BaseModel] = Settings
    node = tree
    for depth, part in enumerate([*parents, leaf]):
        if part not in model.model_fields:
            known = sorted(model.model_fields)
            close = difflib.get_close_matches(part, known, n=1)
            raise SettingsError(
                f"{key} = {value!r} ({origin}): {'.'.join(key.split('.')[: depth + 1])!r} is not a setting.",
                remedy=f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(known)}.",
            )
        annotation = model.model_fields[part].annotation
        section = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        if part is leaf and depth == len(parents):
            if section is not None:
                raise SettingsError(
                    f"{key} = {value!r} ({origin}): {key} is a section, not a value.",
                    remedy=f"Set one of its keys, such as {key}.{next(iter(section.model_fields))}.",
                )
            node[part] = value
            return
        if section is None:
            raise SettingsError(f"{key} ({origin}): {part} holds a value, not keys.", remedy=f"Set {part} itself.")
        model = section
        node = node.setdefault(part, {})


def _describe(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "settings"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message if problem["type"] == "value_error" else f"{key} = {problem['input']!r}: {message.lower()}."
