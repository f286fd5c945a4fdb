"""The training loss: every part per trading day over valid stocks, mean over days, weighted over horizons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from atft_pipeline.errors import SettingsError
from atft_pipeline.losses.cs_ic import cs_ic_rows
from atft_pipeline.losses.day_rows import DayRows
from atft_pipeline.losses.huber import huber_rows
from atft_pipeline.losses.list_net import list_net_rows
from atft_pipeline.losses.path import path_rows
from atft_pipeline.losses.quantile import quantile_rows
from atft_pipeline.losses.rank_ic import rank_ic_rows
from atft_pipeline.losses.sharpe import portfolio_returns, sharpe_of_days
from atft_pipeline.model.prediction import Prediction
from atft_pipeline.sections import LossSettings

N_PARTNERS = 128


class Labels(Protocol):
    """What the loss reads of a batch: stocks of `n_days` days side by side.

    targets, returns [N, K] and target_mask bool [N, K]; path [N, P] and path_mask bool [N, P]; day_index int64 [N].
    Values where a mask is False are never read.
    """

    @property
    def targets(self) -> Tensor: ...
    @property
    def target_mask(self) -> Tensor: ...
    @property
    def returns(self) -> Tensor: ...
    @property
    def path(self) -> Tensor: ...
    @property
    def path_mask(self) -> Tensor: ...
    @property
    def day_index(self) -> Tensor: ...
    @property
    def n_days(self) -> int: ...


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch's place in its effective batch, for the second pass.

    Attributes:
        n_days: days of the EFFECTIVE batch, over micro-batches and ranks.
        sharpe_weights: [D, K], `sharpe_day_weights` of the effective batch, the rows of this micro-batch's days.
    """

    n_days: int
    sharpe_weights: Tensor


class CompositeLoss:
    """Weighted sum of the loss's parts. Computed in float32 whatever the model's precision.

    Horizons are weighted by `loss.horizon_weights` scaled to sum 1, equally by default. A part of weight 0 is not
    computed; a part whose forecast the prediction does not hold (quantiles of an apex head, the path while the
    adaptive norm is off) is absent from the parts, as the log shows.

    Args:
        settings: the section `loss`.
        horizons: the K horizons, in the order of the batch's columns.

    Raises:
        SettingsError: horizon weights that are all 0, or no part with a weight.
    """

    def __init__(self, settings: LossSettings, horizons: tuple[int, ...]) -> None:
        weights = settings.horizon_weights or (1.0,) * len(horizons)
        if len(weights) != len(horizons) or sum(weights) <= 0.0:
            raise SettingsError(
                f"loss.horizon_weights = {weights} for horizons {horizons}: one weight each, not all 0.",
                remedy="Give a positive weight to at least one horizon.",
            )
        self.settings = settings
        self.horizons = horizons
        self.horizon_weights = tuple(weight / sum(weights) for weight in weights)
        self.weights = {
            name: float(getattr(settings, name))
            for name in ("list_net", "sharpe", "rank_ic", "cs_ic", "huber", "quantile", "path")
            if getattr(settings, name) > 0.0
        }
        if not self.weights:
            raise SettingsError("every weight of the section loss is 0.", remedy="Give some part a weight.")

    def __call__(
        self, prediction: Prediction, batch: Labels, micro_batch: MicroBatch | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, and its parts before weighting.

        Without `micro_batch` the batch is the effective batch. With it, the totals of all micro-batches ADD UP to
        the effective batch's loss in gradient (the Sharpe part's value is then `sum g_d r_d`).
        A cross-section of fewer than 3 valid stocks counts as a day with loss 0.

        Returns:
            total (scalar) and parts: unweighted scalars by name, and `list_net_kl` for the log only.

        Raises:
            SettingsError: the prediction holds nothing that any weighted part needs.
        """
        with torch.autocast(batch.targets.device.type, enabled=False):
            parts = self._parts(prediction, batch, micro_batch)
        weighted = [weight * parts[name] for name, weight in self.weights.items() if name in parts]
        if not weighted:
            raise SettingsError(
                f"loss parts {sorted(self.weights)} need forecasts that this prediction does not hold.",
                remedy="Give a part of the scores a weight, such as loss.cs_ic.",
            )
        return torch.stack(weighted).sum(), {name: part.detach() for name, part in parts.items()}

    def day_returns(self, prediction: Prediction, batch: Labels) -> Tensor:
        """Returns r_d of the days' books, [D, K], for the first pass: join them over micro-batches in order."""
        rows = DayRows.of(batch.day_index, batch.n_days)
        return self._day_returns(self._scores(prediction, rows), batch, rows, self._mask(batch, rows))

    def _scores(self, prediction: Prediction, rows: DayRows) -> Tensor:
        return rows.by_horizon(torch.stack([prediction[h] for h in self.horizons], dim=1).float())

    def _mask(self, batch: Labels, rows: DayRows) -> Tensor:
        return rows.by_horizon(batch.target_mask) & rows.filled.unsqueeze(1)

    def _day_returns(self, scores: Tensor, batch: Labels, rows: DayRows, mask: Tensor) -> Tensor:
        returns = rows.by_horizon(batch.returns.float())
        return portfolio_returns(scores.flatten(0, 1), returns.flatten(0, 1), mask.flatten(0, 1)).view(mask.shape[:2])

    def _parts(self, prediction: Prediction, batch: Labels, micro_batch: MicroBatch | None) -> dict[str, Tensor]:
        rows = DayRows.of(batch.day_index, batch.n_days)
        mask = self._mask(batch, rows)
        scores, targets = self._scores(prediction, rows), rows.by_horizon(batch.targets.float())
        n_days = batch.n_days if micro_batch is None else micro_batch.n_days
        by_horizon = torch.tensor(self.horizon_weights, device=scores.device)

        def mean(per_row: Tensor) -> Tensor:
            return (per_row.view(mask.shape[:2]).sum(0) / n_days * by_horizon).sum()

        flat = (scores.flatten(0, 1), targets.flatten(0, 1), mask.flatten(0, 1))
        parts: dict[str, Tensor] = {}
        if "list_net" in self.weights:
            loss, divergence = list_net_rows(*flat, self.settings.temperature, self.settings.top_k)
            parts |= {"list_net": mean(loss), "list_net_kl": mean(divergence)}
        if "sharpe" in self.weights:
            day_returns = self._day_returns(scores, batch, rows, mask)
            if micro_batch is None:
                parts["sharpe"] = (sharpe_of_days(day_returns) * by_horizon).sum()
            else:
                parts["sharpe"] = (micro_batch.sharpe_weights * day_returns * by_horizon).sum()
        if "rank_ic" in self.weights:
            parts["rank_ic"] = mean(rank_ic_rows(*flat, N_PARTNERS))
        if "cs_ic" in self.weights:
            parts["cs_ic"] = mean(cs_ic_rows(*flat))
        if "huber" in self.weights:
            parts["huber"] = mean(huber_rows(*flat, self.settings.huber_delta))
        if "quantile" in self.weights and prediction.quantiles:
            stacked = torch.stack([prediction.quantiles[h] for h in self.horizons], dim=1).float()
            quantiles = rows.spread(stacked).transpose(1, 2).flatten(0, 1)
            parts["quantile"] = mean(quantile_rows(quantiles, flat[1], flat[2], prediction.levels))
        if "path" in self.weights and prediction.path is not None:
            known = (rows.spread(batch.path_mask) & rows.filled.unsqueeze(-1)).flatten(1)
            ahead = rows.spread(prediction.path.float()).flatten(1), rows.spread(batch.path.float()).flatten(1)
            parts["path"] = path_rows(*ahead, known).sum() / n_days
        return parts
