"""The evaluation artefact: summary, daily series, decile returns and report of every model on the same days."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import mean_block
from atft_pipeline.evaluation.scoring import ENTRIES, FLAGGED, Progress, daily_metrics
from atft_pipeline.evaluation.summary import OUT_OF_FOLD, summarize
from atft_pipeline.settings import Settings

TABLES = ("summary", "daily", "deciles")
FACTS = "evaluation.json"
REPORT = "report.html"

RIDGE = "ridge"
"""The baseline that stands beside the model: the same inputs, no network."""


@dataclass(frozen=True)
class Evaluation:
    """What a run of models achieved out of fold.

    Attributes:
        summary: `summary.summarize`.
        daily: one row per model, horizon, entry, flagged and session.
        deciles: mean return of each score decile.
        facts: what the figures rest on (costs, shares, seeds, counts of flagged rows), plain JSON values.
        report: the HTML report, empty until `with_report`.
    """

    summary: pl.DataFrame
    daily: pl.DataFrame
    deciles: pl.DataFrame
    facts: Mapping[str, Any]
    report: str = field(default="", repr=False)

    def with_report(self, report: str) -> Self:
        """The same figures with their report."""
        return replace(self, report=report)

    def headline(self) -> dict[str, float]:
        """Figures of the network at the headline horizon and the chosen entry, all test blocks together.

        NaN = unknown.

        Raises:
            EvaluationError: the network has no out-of-fold session.
        """
        facts = self.facts
        wanted = {"model": facts["model"], "horizon": facts["headline_horizon"], "entry": facts["entry"]}
        wanted |= {"flagged": "included", "fold": OUT_OF_FOLD}
        found = self.summary.filter(*(pl.col(name) == value for name, value in wanted.items())).drop(*wanted)
        if found.is_empty():
            raise EvaluationError(
                f"summary has no row of {facts['model']} at horizon {facts['headline_horizon']}.",
                remedy="Evaluate predictions of the network at training.monitor_horizon.",
            )
        return {name: math.nan if value is None else float(value) for name, value in found.row(0, named=True).items()}

    def save(self, directory: Path) -> None:
        """Write `summary.parquet`, `daily.parquet`, `deciles.parquet`, `evaluation.json` and `report.html`."""
        for name in TABLES:
            table: pl.DataFrame = getattr(self, name)
            table.write_parquet(directory / f"{name}.parquet", compression="zstd", statistics=False)
        facts = json.dumps(dict(self.facts), indent=1, sort_keys=True, ensure_ascii=False)
        (directory / FACTS).write_text(facts + "\n", encoding="utf-8")
        (directory / REPORT).write_text(self.report, encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        tables = {name: pl.read_parquet(directory / f"{name}.parquet") for name in TABLES}
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
        return cls(**tables, facts=facts, report=(directory / REPORT).read_text(encoding="utf-8"))


def evaluate(
    predictions: pl.DataFrame,
    targets: pl.DataFrame,
    volatility: pl.DataFrame,
    settings: Settings,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Judge every model on the sessions that were held out from it.

    Args:
        predictions: Date, Code, horizon, score, fold, model; out of fold only (`promotion.no_model_is_scored_on_...`
            checks it).
        targets: the targets table.
        volatility: Date, Code, volatility: raw past volatility of 60 sessions, for the residual RankIC.
        settings: sections `evaluation`, `targets`, `training` (headline horizon), `model` (its name), and the seed.
        on_progress: told after each model and horizon.
    """
    daily, deciles = daily_metrics(predictions, targets, volatility, settings, on_progress)
    summary = summarize(daily, samples=settings.evaluation.bootstrap_samples, seed=settings.seed)
    horizons = sorted(predictions["horizon"].unique().to_list())
    models = predictions["model"].unique().sort().to_list()
    facts = {
        "model": settings.model.name,
        "models": sorted(models, key=lambda name: (name != settings.model.name, name != RIDGE, name)),
        "horizons": horizons,
        "headline_horizon": settings.training.monitor_horizon,
        "entry": settings.targets.entry,
        "entries": list(ENTRIES),
        "flagged": list(FLAGGED),
        "first": str(predictions["Date"].min()),
        "last": str(predictions["Date"].max()),
        "cost_bps": settings.evaluation.cost_bps,
        "long_short_share": settings.evaluation.long_short_share,
        "bootstrap_samples": settings.evaluation.bootstrap_samples,
        "bootstrap_blocks": {str(h): mean_block(h) for h in horizons},
        "seed": settings.seed,
        "flagged_rows": _flagged_rows(predictions, targets, horizons),
    }
    return Evaluation(summary, daily, deciles, facts)


def _flagged_rows(predictions: pl.DataFrame, targets: pl.DataFrame, horizons: list[int]) -> dict[str, dict[str, int]]:
    """Rows of the scored sessions, and how many of them left at a stale price or were delisted, by horizon."""
    rows = targets.join(predictions.select("Date").unique(), on="Date", how="semi")
    return {
        str(h): {
            "rows": len(rows),
            "stale_exit": int(rows[f"stale_exit_{h}"].sum()),
            "delisted": int(rows[f"delisted_{h}"].sum()),
            "unknown": int(rows[f"next_open_{h}"].null_count()),
        }
        for h in horizons
    }
