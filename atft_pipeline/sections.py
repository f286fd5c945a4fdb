"""The sections of the settings: every key with its type, its limits and its default, and what it decides."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from atft_pipeline.jquants.plan_names import PlanName

LOOPBACK = ("127.0.0.1", "localhost", "::1")
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Horizons = Annotated[tuple[Positive, ...], Field(min_length=1)]


class Section(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SimulatorSettings(Section):
    """The simulated market: size, dates, and the strength of what is planted in it."""

    n_codes: Annotated[int, Field(ge=20, le=6000)] = 250
    last_session: date = date(2024, 12, 30)
    n_sessions: Annotated[int, Field(ge=60)] = 1_100
    seed: int = 7
    linear_effect: Annotated[float, Field(ge=0.0)] = 1.0
    reversal_effect: Annotated[float, Field(ge=0.0)] = 1.0
    peer_effect: Annotated[float, Field(ge=0.0)] = 1.0


class ApiSettings(Section):
    """The J-Quants API V2: where it is, what was subscribed, and how patiently it is asked. The key is no setting."""

    base_url: str = "https://api.jquants.com/v2"
    plan: PlanName = "light"
    key_file: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0.0)] = 30.0
    lookback_days: Annotated[int, Field(ge=0)] = 7

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        url = urlsplit(self.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
            raise ValueError(
                f"source.api.base_url {self.base_url} is not https; plain http is for this machine only ({LOOPBACK[0]})"
            )
        return self


class SourceSettings(Section):
    """Where market data comes from. `absent_sessions`: those that it is known to lack, and will never have."""

    kind: Literal["simulated", "files", "jquants"] = "simulated"
    path: Path | None = None
    absent_sessions: tuple[date, ...] = ()
    simulator: SimulatorSettings = SimulatorSettings()
    api: ApiSettings = ApiSettings()

    @model_validator(mode="after")
    def _path_belongs_to_files(self) -> Self:
        if (self.kind == "files") != (self.path is not None):
            raise ValueError("source.path is given exactly when source.kind is 'files' (atft run --source DIR)")
        return self


class PeriodSettings(Section):
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


class UniverseSettings(Section):
    """Which stocks can be held on a day, decided with data up to the day before."""

    n_largest: Positive | None = None
    min_price: Annotated[float, Field(ge=0.0)] = 50.0
    min_trading_value: Annotated[float, Field(ge=0.0)] = 10_000_000.0
    min_listed_sessions: Annotated[int, Field(ge=0)] = 60
    markets: tuple[str, ...] = ("0111", "0112", "0113", "0101", "0102", "0104", "0106", "0107")


class FeatureSettings(Section):
    """Which feature families are made; the contract is exact for them."""

    families: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "alpha158",
        "technical",
        "volatility",
        "liquidity",
        "market",
        "cross_market",
        "sector",
        "flow",
        "margin",
        "short_selling",
        "statements",
        "events",
    )


class TargetSettings(Section):
    """Horizons in sessions, and the entry that training and promotion use."""

    horizons: Horizons = (1, 5, 10, 20)
    entry: Literal["next_open", "close"] = "next_open"

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ValueError(f"targets.horizons {self.horizons} must ascend without repetition")
        return self


class GraphSettings(Section):
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


class FoldSettings(Section):
    """PurgedKFold over trading dates; all numbers in sessions."""

    n_folds: Annotated[int, Field(ge=2, le=20)] = 5
    horizon: Positive = 20
    embargo: Annotated[int, Field(ge=0)] = 20
    lookback: Annotated[int, Field(ge=0)] = 0
    validation_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.15
    holdout: Annotated[int, Field(ge=0)] = 245


class FanSettings(Section):
    """Frequency adaptive normalization of the return-like channels."""

    kind: Literal["fan", "san", "revin", "none"] = "fan"
    k: Annotated[int, Field(ge=0, le=16)] = 3
    slices: Positive = 4
    path: Positive = 20


class GraphAttentionSettings(Section):
    """Graph attention layers; `enabled = false` skips the graph altogether."""

    enabled: bool = True
    layers: Annotated[int, Field(ge=1, le=4)] = 2
    heads: Positive = 4
    edge_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    gate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5


class HeadSettings(Section):
    """From the stock's state to scores."""

    kind: Literal["multi_horizon", "apex"] = "multi_horizon"
    init_std: Annotated[float, Field(gt=0.0)] = 0.05
    layer_scale: Annotated[float, Field(gt=0.0)] = 1.0
    layer_norm: bool = False
    quantiles: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.05, 0.25, 0.5, 0.75, 0.95)


class ModelSettings(Section):
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


class LossSettings(Section):
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


class PhaseEpochs(Section):
    """Most epochs that each phase may take."""

    baseline: Annotated[int, Field(ge=0)] = 10
    adaptive_norm: Annotated[int, Field(ge=0)] = 5
    gat: Annotated[int, Field(ge=0)] = 10
    finetune: Annotated[int, Field(ge=0)] = 5


class TrainingSettings(Section):
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


class EvaluationSettings(Section):
    """Metrics, portfolio and promotion; an input above `max_column_rank_ic` is taken for a leak."""

    long_short_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    cost_bps: Annotated[float, Field(ge=0.0)] = 10.0
    max_column_rank_ic: Share = 0.2
    ridge_alpha: Annotated[float, Field(gt=0.0)] = 0.1
    bootstrap_samples: Annotated[int, Field(ge=100)] = 1000
    min_rank_ic_difference: float = -0.003
    min_sharpe_difference: float = -0.2
    min_blocks: Positive = 10


class PageSettings(Section):
    """Ports on 127.0.0.1 of the two web pages; links in metadata and tags are made with them."""

    dagster_port: Annotated[int, Field(ge=1, le=65535)] = 3000
    mlflow_port: Annotated[int, Field(ge=1, le=65535)] = 5000

    @property
    def dagster(self) -> str:
        """Address of Dagster's page."""
        return f"http://127.0.0.1:{self.dagster_port}"

    @property
    def mlflow(self) -> str:
        """Address of MLflow's page."""
        return f"http://127.0.0.1:{self.mlflow_port}"


class DeviceSettings(Section):
    """Where tensors are computed."""

    choice: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: Positive = 2
