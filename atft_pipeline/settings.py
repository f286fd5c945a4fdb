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
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from atft_pipeline.errors import SettingsError

ENV_PREFIX = "ATFT_"
RESERVED_ENV = ("ATFT_PRESET", "ATFT_OVERRIDES", "ATFT_TEST_TSE")
"""Read elsewhere: the preset's name, the overrides of `atft run --set`, the folder of the real-data tests."""

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Horizons = Annotated[tuple[Positive, ...], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SimulatorSettings(_Section):
    """The simulated market: size, dates, and the strength of what is planted in it."""

    n_codes: Annotated[int, Field(ge=20, le=6000)] = 250
    last_session: date = date(2024, 12, 30)
    n_sessions: Annotated[int, Field(ge=60)] = 780
    seed: int = 7
    linear_effect: Annotated[float, Field(ge=0.0)] = 1.0
    reversal_effect: Annotated[float, Field(ge=0.0)] = 1.0
    peer_effect: Annotated[float, Field(ge=0.0)] = 1.0


class SourceSettings(_Section):
    """Where market data comes from."""

    kind: Literal["simulated", "files", "jquants"] = "simulated"
    path: Path | None = None
    simulator: SimulatorSettings = SimulatorSettings()

    @model_validator(mode="after")
    def _path_belongs_to_files(self) -> Self:
        if (self.kind == "files") != (self.path is not None):
            raise ValueError("source.path is given exactly when source.kind is 'files' (atft run --source DIR)")
        return self


class PeriodSettings(_Section):
    """Which sessions are used. The end is the source's last session unless `end` is earlier.

    Files exist from the data start; checks, folds and training begin `warm-up` sessions later. Give `data_start`,
    or `sessions` (after the warm-up, counted back from the end; fewer if the source holds fewer), not both.
    """

    data_start: date | None = None
    end: date | None = None
    sessions: Annotated[int, Field(ge=60)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.data_start is not None and self.sessions is not None:
            raise ValueError("period.data_start and period.sessions both fix the start: give one of them")
        if self.data_start and self.end and self.end <= self.data_start:
            raise ValueError(f"period.end {self.end} is not after period.data_start {self.data_start}")
        return self


class UniverseSettings(_Section):
    """Which stocks can be held on a day, decided with data up to the day before."""

    n_largest: Positive | None = None
    min_price: Annotated[float, Field(ge=0.0)] = 50.0
    min_trading_value: Annotated[float, Field(ge=0.0)] = 10_000_000.0
    min_listed_sessions: Annotated[int, Field(ge=0)] = 60
    markets: tuple[str, ...] = ("0111", "0112", "0113", "0101", "0102", "0104", "0106", "0107")


class FeatureSettings(_Section):
    """Which feature families are made; the contract is exact for them."""

    families: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "technical",
        "volatility",
        "liquidity",
        "market",
        "cross_market",
        "sector",
    )


class TargetSettings(_Section):
    """Horizons in sessions, and the entry that training and promotion use."""

    horizons: Horizons = (1, 5, 10, 20)
    entry: Literal["next_open", "close"] = "next_open"

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ValueError(f"targets.horizons {self.horizons} must ascend without repetition")
        return self


class GraphSettings(_Section):
    """The correlation graph of a session; windows in sessions."""

    window: Annotated[int, Field(ge=20)] = 252
    half_life: Annotated[float, Field(gt=0.0)] = 126.0
    min_common: Annotated[int, Field(ge=10)] = 120
    shrinkage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    threshold: Share = 0.3
    k: Positive = 10
    hierarchy: bool = True
    refresh: Positive = 5

    @model_validator(mode="after")
    def _common_fits(self) -> Self:
        if self.min_common > self.window:
            raise ValueError(f"graph.min_common {self.min_common} exceeds graph.window {self.window}")
        return self


class FoldSettings(_Section):
    """PurgedKFold over trading dates; all numbers in sessions."""

    n_folds: Annotated[int, Field(ge=2, le=20)] = 5
    horizon: Positive = 20
    embargo: Annotated[int, Field(ge=0)] = 20
    lookback: Annotated[int, Field(ge=0)] = 0
    validation_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.15
    holdout: Annotated[int, Field(ge=0)] = 245


class FanSettings(_Section):
    """Frequency adaptive normalization of the return-like channels."""

    kind: Literal["fan", "san", "revin", "none"] = "fan"
    k: Annotated[int, Field(ge=0, le=16)] = 3
    slices: Positive = 4
    path: Positive = 20


class GraphAttentionSettings(_Section):
    """Graph attention layers; `enabled = false` skips the graph altogether."""

    enabled: bool = True
    layers: Annotated[int, Field(ge=1, le=4)] = 2
    heads: Positive = 4
    edge_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    gate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5


class HeadSettings(_Section):
    """From the stock's state to scores."""

    kind: Literal["multi_horizon", "apex"] = "multi_horizon"
    init_std: Annotated[float, Field(gt=0.0)] = 0.05
    layer_scale: Annotated[float, Field(gt=0.0)] = 1.0
    layer_norm: bool = False
    quantiles: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.05, 0.25, 0.5, 0.75, 0.95)


class ModelSettings(_Section):
    """The network."""

    name: Literal["atft_gat_fan"] = "atft_gat_fan"
    window: Annotated[int, Field(ge=4, le=256)] = 20
    hidden: Annotated[int, Field(ge=8, le=512)] = 32
    attention_heads: Positive = 4
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    fan: FanSettings = FanSettings()
    graph: GraphAttentionSettings = GraphAttentionSettings()
    head: HeadSettings = HeadSettings()

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        for key, heads in (("attention_heads", self.attention_heads), ("graph.heads", self.graph.heads)):
            if self.hidden % heads:
                raise ValueError(f"model.hidden {self.hidden} is not a multiple of model.{key} {heads}")
        return self


class LossSettings(_Section):
    """Weights of the loss's parts; 0 leaves a part out."""

    list_net: Annotated[float, Field(ge=0.0)] = 0.3
    sharpe: Annotated[float, Field(ge=0.0)] = 0.3
    rank_ic: Annotated[float, Field(ge=0.0)] = 0.2
    cs_ic: Annotated[float, Field(ge=0.0)] = 0.1
    huber: Annotated[float, Field(ge=0.0)] = 0.1
    quantile: Annotated[float, Field(ge=0.0)] = 0.05
    path: Annotated[float, Field(ge=0.0)] = 0.05
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    top_k: Positive | None = 50
    huber_delta: Annotated[float, Field(gt=0.0)] = 1.0
    horizon_weights: tuple[Annotated[float, Field(ge=0.0)], ...] | None = None


class PhaseEpochs(_Section):
    """Most epochs that each phase may take."""

    baseline: Annotated[int, Field(ge=0)] = 10
    adaptive_norm: Annotated[int, Field(ge=0)] = 5
    gat: Annotated[int, Field(ge=0)] = 10
    finetune: Annotated[int, Field(ge=0)] = 5


class TrainingSettings(_Section):
    """How a model is fitted on one fold."""

    epochs: PhaseEpochs = PhaseEpochs()
    patience: Positive = 3
    monitor_horizon: Positive = 5
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    finetune_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.3
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    warmup_share: Share = 0.1
    days_per_batch: Positive = 8
    days_per_micro_batch: Positive = 8
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    max_dead_share: Share = 0.2
    min_spread: Annotated[float, Field(ge=0.0)] = 0.005
    on_collapse: Literal["stop", "reinitialize_head"] = "stop"


class EvaluationSettings(_Section):
    """Metrics, portfolio and promotion."""

    long_short_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    cost_bps: Annotated[float, Field(ge=0.0)] = 10.0
    ridge_alpha: Annotated[float, Field(gt=0.0)] = 0.1
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    min_rank_ic_difference: float = -0.003
    min_sharpe_difference: float = -0.2
    min_blocks: Positive = 10


class DeviceSettings(_Section):
    """Where tensors are computed."""

    choice: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: Positive = 2


class Settings(_Section):
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


STRUCTURE = ("preset", "store", "source", "period", "universe", "features", "targets", "folds", "graph")
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
