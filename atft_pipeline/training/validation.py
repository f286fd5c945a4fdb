"""Scores of many days in eval mode, and how good they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import torch

from atft_pipeline.evaluation.metrics.cross_section import rank_ic, scale
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch
from atft_pipeline.training.source import BatchSource, prefetch
from atft_pipeline.training.step import forward

Floats = npt.NDArray[np.float64]


def scored_batches(
    model: AtftGatFan, source: BatchSource, days: Sequence[date], settings: Settings, device: torch.device
) -> Iterator[tuple[Batch, Floats]]:
    """Batches of `days` in order, each with its scores [N, K]; in eval mode, without dropout or gradient.

    The model's own mode is put back when the last batch was taken.
    """
    was_training = model.training
    model.eval()
    size = settings.training.days_per_micro_batch
    groups = [days[start : start + size] for start in range(0, len(days), size)]
    active = source if "graph" in model.active else source.without_graph()
    for batch in prefetch(active, groups):
        with torch.inference_mode():
            prediction = forward(model, batch.to(device), settings)
            scores = torch.stack(list(prediction.values()), dim=1)
        yield batch, scores.double().cpu().numpy()
    model.train(was_training)


def validate(
    model: AtftGatFan, source: BatchSource, days: Sequence[date], settings: Settings, device: torch.device
) -> dict[str, float]:
    """Mean over days of RankIC and SCALE per horizon, as "rank_ic_5", "scale_5", ...

    RankIC: Spearman correlation of score and target over a day's stocks. SCALE: std(score) / std(z(return)). Days
    without spread in scores or targets are left out of the mean; NaN if no day is left.
    """
    rows: dict[str, list[float]] = {f"{name}_{h}": [] for h in source.cache.horizons for name in ("rank_ic", "scale")}
    for batch, scores in scored_batches(model, source, days, settings, device):
        known, day_of = batch.target_mask.numpy(), batch.day_index.numpy()
        returns = np.where(known, batch.returns.numpy(), np.nan)
        for day in range(batch.n_days):
            of_day = day_of == day
            for k, horizon in enumerate(source.cache.horizons):
                rows[f"rank_ic_{horizon}"].append(float(rank_ic(scores[of_day, k], returns[of_day, k])))
                rows[f"scale_{horizon}"].append(float(scale(scores[of_day, k], returns[of_day, k])))
    return {name: _mean_of_known(values) for name, values in rows.items()}


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
