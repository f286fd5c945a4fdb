"""The registered model as code: MLflow runs this file when it loads a version; the weights are safetensors."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import polars as pl


class Champion(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Scores sessions of an Arrow cache: input rows name `cache`, `graphs` (a Parquet file) and `day` (ISO)."""

    def load_context(self, context: Any) -> None:
        """Read the weights that were logged with this version."""
        from atft_pipeline.training.trained_model import TrainedModel

        self.model = TrainedModel.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: list[dict[str, str]], params: dict[str, Any] | None = None) -> Any:
        """One row per day, stock and horizon: Date, Code, horizon, score, fold, model."""
        from atft_pipeline.cache import ArrowCache

        frames = [
            self.model.predict(
                ArrowCache.open(Path(row["cache"])), pl.read_parquet(row["graphs"]), [date.fromisoformat(row["day"])]
            )
            for row in model_input
        ]
        return pl.concat(frames).to_dicts()


mlflow.models.set_model(Champion())
