"""The fold's affine: how columns that are the same for all stocks of a day are scaled for the model.

A cross-section cannot normalize such a column. Its mean and deviation over TIME are learnt, from the training dates
of one fold and no others, applied when a batch is made, and saved with the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import ArtefactCorrupt, ContractError
from atft_pipeline.features.contract import Contract
from atft_pipeline.normalization.moments import rows_of

FILE = "affine.json"


@dataclass(frozen=True, eq=False)
class Affine:
    """`x_norm = (x - center) / scale`, per column in the contract's order; center 0 and scale 1 leave a column as is.

    Attributes:
        center: [F] float32.
        scale: [F] float32, positive.
    """

    center: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.center.shape != self.scale.shape or self.center.ndim != 1:
            raise ContractError(
                f"center {self.center.shape} and scale {self.scale.shape} must be vectors of one length.",
                remedy="Fit the affine with `fit_affine`.",
            )
        if not (np.isfinite(self.center).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ContractError("center must be finite and scale positive.", remedy="Fit the affine with `fit_affine`.")

    def apply(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalized values of [..., F]; NaN stays NaN."""
        return np.asarray((x - self.center) / self.scale, dtype=np.float32)

    def save(self, directory: Path) -> None:
        """Write `affine.json` into the directory; the same affine gives the same bytes."""
        text = json.dumps({"center": self.center.tolist(), "scale": self.scale.tolist()})
        (directory / FILE).write_text(text + "\n")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ArtefactCorrupt: the file is not there or not of that form.
        """
        try:
            values = json.loads((directory / FILE).read_text())
            center, scale = (np.array(values[key], dtype=np.float32) for key in ("center", "scale"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactCorrupt(f"{FILE}: {error}.", remedy="Train the model again.") from error
        return cls(center, scale)


def fit_affine(stats: pl.DataFrame, dates: Sequence[date], contract: Contract) -> Affine:
    """Affine of the `time_series` columns over the training dates; identity for all others.

    `center = mean_d(mean_d)`, `scale^2 = mean_d(m2_d / n_d + (mean_d - center)^2)`: each session weighs 1, however many
    stocks it had. Missing data: a session without a value takes no part. A column that never varied on these dates,
    or was never known, gets scale 1.

    Args:
        stats: rows of `date_moments`; only those of `dates` are read.
        dates: training dates of the fold.
        contract: the columns and their order.

    Raises:
        ContractError: a column or a date has no statistics.
    """
    center, scale = np.zeros(len(contract.columns)), np.ones(len(contract.columns))
    rows = rows_of(stats, dates)
    there = set(rows["column"].to_list())
    missing = [name for name in contract.names if name not in there]
    if missing:
        raise ContractError(
            f"stats lacks the columns {', '.join(missing[:5])}.", remedy="Make normalization_stats with this contract."
        )
    for i, column in enumerate(contract.columns):
        own = rows.filter(pl.col("column") == column.name, pl.col("count") > 0)
        if column.kind != "time_series" or own.is_empty():
            continue
        mean = own["mean"].to_numpy()
        within = (own["m2"] / own["count"]).to_numpy()
        center[i] = mean.mean()
        deviation = np.sqrt((within + (mean - center[i]) ** 2).mean())
        # The stored values are float32: a smaller deviation than their rounding is none.
        scale[i] = deviation if deviation > 1e-6 * abs(center[i]) else 1.0
    return Affine(center.astype(np.float32), scale.astype(np.float32))


def fit_affines(stats: pl.DataFrame, dates: Mapping[str, Sequence[date]], contract: Contract) -> dict[str, Affine]:
    """`fit_affine` for each named set of training dates, such as `FoldTable.train_dates`."""
    return {name: fit_affine(stats, days, contract) for name, days in dates.items()}
