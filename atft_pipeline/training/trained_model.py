"""A trained model as an artefact: weights, the fold's affine, and everything that is needed to score with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.features.column import Column
from atft_pipeline.features.contract import Contract
from atft_pipeline.graphs.store import GraphStore
from atft_pipeline.normalization.affine import Affine
from atft_pipeline.predictions import SCHEMA
from atft_pipeline.settings import Settings

if TYPE_CHECKING:  # asset signatures name this class, and a code location loads without torch
    from torch import Tensor

    from atft_pipeline.model.atft_gat_fan import AtftGatFan
    from atft_pipeline.training.source import BatchSource

WEIGHTS, FACTS = "weights.safetensors", "model.json"
SECTIONS = ("seed", "targets", "folds", "model", "loss", "training", "device")
"""Settings that a model carries: those that shape it or its scores. Paths and sources stay out of it."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What `fit_fold` returns.

    Attributes:
        name: of the fold.
        settings: those of `SECTIONS`, the rest at their defaults.
        contract: the features that it reads, in order.
        affine: center and scale of `time_series` columns, fitted on `train_days`.
        weights: state of the network.
        active: its parts that are on.
        train_days: days whose labels were trained on.
        stopping_days: days that early stopping judged by.
        last_training_label: ISO date of the last session whose price is in a label that was trained or stopped on.
        history: one record per epoch.
        figures: "rank_ic_h" and "scale_h" of the final weights; RankIC only where there were validation days.
        dead_inputs: columns without spread at the first step.
    """

    name: str
    settings: Settings
    contract: Contract
    affine: Affine
    weights: Mapping[str, Tensor]
    active: tuple[str, ...]
    train_days: tuple[date, ...]
    stopping_days: tuple[date, ...]
    last_training_label: str
    history: tuple[dict[str, Any], ...]
    figures: Mapping[str, float]
    dead_inputs: tuple[str, ...]

    @property
    def contract_hash(self) -> str:
        """Hash of the feature contract."""
        return self.contract.hash

    @property
    def n_parameters(self) -> int:
        """Trainable numbers of the network."""
        return sum(parameter.numel() for parameter in self.network().parameters())

    @cached_property
    def identity(self) -> str:
        """Hash of weights, affine and facts: equal models, equal identity."""
        digest = hashlib.blake2b(self._facts().encode(), digest_size=16)
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        digest.update(self.affine.center.tobytes() + self.affine.scale.tobytes())
        return digest.hexdigest()

    def headline(self) -> dict[str, float]:
        """Validation RankIC and SCALE of the monitored horizon (SCALE only, without validation), best epochs."""
        horizon = self.settings.training.monitor_horizon
        shown = {f"{name}_{horizon}" for name in ("rank_ic", "scale")}
        figures = {f"final_{name}": value for name, value in self.figures.items() if name in shown}
        return figures | {f"best_epoch_{phase}": float(epoch) for phase, epoch in self.best_epochs.items()}

    def scale(self) -> dict[int, float]:
        """SCALE of the final weights by horizon: std(score) / std(z(return)), mean over days."""
        return {h: self.figures[f"scale_{h}"] for h in self.settings.targets.horizons}

    @property
    def best_epochs(self) -> dict[str, int]:
        """Epoch whose weights each phase ended with."""
        return {record["phase"]: record["best_epoch"] for record in self.history if "best_epoch" in record}

    def training_curve(self) -> pl.DataFrame:
        """One row per epoch over all phases: fold, epoch, train_loss, validation_rank_ic of the monitored horizon."""
        score = f"rank_ic_{self.settings.training.monitor_horizon}"
        epochs = [record for record in self.history if "loss" in record]
        return pl.DataFrame(
            {
                "fold": [self.name] * len(epochs),
                "epoch": list(range(1, len(epochs) + 1)),
                "train_loss": [record["loss"] for record in epochs],
                "validation_rank_ic": [record.get(score) for record in epochs],
            },
            schema={"fold": pl.String, "epoch": pl.Int64, "train_loss": pl.Float64, "validation_rank_ic": pl.Float64},
        )

    def network(self) -> AtftGatFan:
        """The network with its weights, in eval mode, its parts switched as trained."""
        from atft_pipeline.model.build import build_model

        model = build_model(self.settings, self.contract)
        model.load_state_dict(dict(self.weights))
        model.activate(frozenset(self.active))
        return model.eval()

    def predict(
        self,
        cache: ArrowCache,
        graphs: pl.DataFrame | None,
        days: Sequence[date],
        *,
        device: str = "cpu",
        on_progress: Progress | None = None,
    ) -> pl.DataFrame:
        """Scores of every stock in the universe of `days`, in eval mode.

        A score of day t uses features and graph up to the close of t. Stocks without any label are scored too.

        Args:
            cache: made by the same contract.
            graphs: the `graphs` table of these days; not read if the model's graph is off.
            days: sessions of the cache.
            device: torch's name of the device.
            on_progress: called with (label, done, total) after each batch.

        Returns:
            Predictions table: Date, Code, horizon, score, fold, model; sorted by Date, Code, horizon.

        Raises:
            ContractError: the cache was made by another contract.
        """
        import torch

        from atft_pipeline.training.determinism import reproducible
        from atft_pipeline.training.validation import scored_batches

        source = self._source(cache, graphs)
        where = torch.device(device)
        network = self.network().to(where)
        parts: list[pl.DataFrame] = [pl.DataFrame(schema=SCHEMA)]
        with reproducible(self.settings.device, where, self.settings.seed):
            for batch, scores in scored_batches(network, source, sorted(days), self.settings, where):
                dates = np.array(batch.days, dtype="datetime64[D]")[batch.day_index.numpy()]
                parts.append(self._rows(dates, batch.codes, scores))
                if on_progress is not None:
                    on_progress(f"score {self.name}", sum(part["Date"].n_unique() for part in parts), len(days))
        return pl.concat(parts)

    def selection_weights(self, cache: ArrowCache, graphs: pl.DataFrame | None, days: Sequence[date]) -> pl.DataFrame:
        """Mean weight of each feature family in variable selection over the stocks of `days`: family, weight."""
        import torch

        batch, network = self._source(cache, graphs).batch(list(days)), self.network()
        with torch.inference_mode():
            weights = network(batch.x, batch.mask, batch.graph, batch.family_mask).selection.mean(dim=0)
        return pl.DataFrame({"family": list(network.group_names), "weight": weights.double().tolist()})

    def _source(self, cache: ArrowCache, graphs: pl.DataFrame | None) -> BatchSource:
        from atft_pipeline.training.source import BatchSource

        store = GraphStore(graphs) if "graph" in self.active and graphs is not None else None
        return BatchSource(cache, store, self.affine, self.settings, self.contract)

    def _rows(self, dates: Any, codes: Sequence[str], scores: Any) -> pl.DataFrame:
        """Scores [N, K] as rows, horizons of a stock beside each other."""
        horizons = self.settings.targets.horizons
        return pl.DataFrame(
            {
                "Date": np.repeat(dates, len(horizons)),
                "Code": np.repeat(np.array(codes, dtype=object), len(horizons)).tolist(),
                "horizon": np.tile(np.array(horizons, dtype=np.int32), len(codes)),
                "score": scores.reshape(-1),
                "fold": [self.name] * scores.size,
                "model": [self.settings.model.name] * scores.size,
            },
            schema=SCHEMA,
        )

    def save(self, directory: Path) -> None:
        """Write weights (safetensors) and facts (JSON); equal models write equal bytes."""
        import torch

        from atft_pipeline.training.checkpoint import TensorFile

        affine = {"center": torch.from_numpy(self.affine.center), "scale": torch.from_numpy(self.affine.scale)}
        TensorFile({"model": self.weights, "affine": affine}, {}).write(Path(directory) / WEIGHTS)
        (Path(directory) / FACTS).write_text(self._facts() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        from atft_pipeline.training.checkpoint import TensorFile

        facts = json.loads((Path(directory) / FACTS).read_text(encoding="utf-8"))
        tensors = TensorFile.read(Path(directory) / WEIGHTS).groups
        affine = tensors["affine"]
        columns = tuple(_column(fields) for fields in facts["contract"]["columns"])
        return cls(
            name=facts["name"],
            settings=Settings.model_validate({"preset": "saved", **facts["settings"]}),
            contract=Contract(facts["contract"]["version"], columns),
            affine=Affine(center=affine["center"].numpy(), scale=affine["scale"].numpy()),
            weights=tensors["model"],
            active=tuple(facts["active"]),
            train_days=tuple(date.fromisoformat(day) for day in facts["train_days"]),
            stopping_days=tuple(date.fromisoformat(day) for day in facts["stopping_days"]),
            last_training_label=facts["last_training_label"],
            history=tuple(facts["history"]),
            figures=facts["figures"],
            dead_inputs=tuple(facts["dead_inputs"]),
        )

    def _facts(self) -> str:
        tree = self.settings.model_dump(mode="json", include=set(SECTIONS))
        facts = {
            "name": self.name,
            "settings": tree,
            "contract": {"version": self.contract.version, "columns": [asdict(c) for c in self.contract.columns]},
            "active": self.active,
            "train_days": [day.isoformat() for day in self.train_days],
            "stopping_days": [day.isoformat() for day in self.stopping_days],
            "last_training_label": self.last_training_label,
            "history": self.history,
            "figures": dict(self.figures),
            "dead_inputs": self.dead_inputs,
        }
        return json.dumps(facts, sort_keys=True, indent=1)


def _column(fields: Mapping[str, Any]) -> Column:
    """A contract column from JSON, where tuples have become lists."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Column(**values)
