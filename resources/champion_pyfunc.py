"""The registered model as code: MLflow runs this file when it loads a version; the weights are safetensors."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
from pydantic import BaseModel


class SessionToScore(BaseModel):
    """One input row: file of an Arrow cache, Parquet file of its graphs, and the session as an ISO date."""

    cache: str
    graphs: str
    session: str


class Score(BaseModel):
    """One output row: the score of a stock for a horizon in sessions, by the fold's model."""

    Date: datetime
    Code: str
    horizon: int
    score: float
    fold: str
    model: str


class Champion(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Scores every stock of the sessions that it is asked for."""

    def load_context(self, context: Any) -> None:
        """Read the weights that were logged with this version."""
        from atft_pipeline.training.trained_model import TrainedModel

        self.model = TrainedModel.load(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: list[SessionToScore], params: dict[str, Any] | None = None
    ) -> list[Score]:
        """Rows by session, stock and horizon."""
        return [Score(**row) for request in model_input for row in self._score(request).iter_rows(named=True)]

    def _score(self, request: SessionToScore) -> pl.DataFrame:
        from atft_pipeline.cache import ArrowCache

        cache, graphs = ArrowCache.open(Path(request.cache)), pl.read_parquet(request.graphs)
        return self.model.predict(cache, graphs, [date.fromisoformat(request.session)])


mlflow.models.set_model(Champion())
