"""Words and numbers of the report: figures as readable text, the verdict, the notes."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from atft_pipeline.evaluation.evaluate import RIDGE, Evaluation
from atft_pipeline.evaluation.summary import OUT_OF_FOLD

UNKNOWN = "–"
MINUS = "−"
ENTRY_NAMES = {"next_open": "entry at the next open", "close": "entry at the close"}


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Fixed digits with a true minus sign; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval as one cell."""
    if low is None or high is None:
        return UNKNOWN
    return f"{number(low, digits)} to {number(high, digits)}"


def share(value: float | None) -> str:
    """A share as a whole percentage."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.0%}"


def cells(row: dict[str, Any]) -> list[str]:
    """One row of the summary as the cells of a table, RankIC first."""
    return [
        number(row["rank_ic"]),
        interval(row["rank_ic_low"], row["rank_ic_high"]),
        number(row["rank_ic_t"], 1),
        number(row["residual_rank_ic"]),
        number(row["ic"]),
        number(row["icir"], 2),
        share(row["hit_rate"]),
        number(row["scale"], 2),
        number(row["sharpe_gross"], 2),
        number(row["sharpe_net"], 2),
        number(row["turnover"], 2),
        str(row["days"]) + (f" + {row['constant_days']} constant" if row["constant_days"] else ""),
    ]


def table_rows(evaluation: Evaluation, *, fold: str, horizon: int, entry: str) -> list[dict[str, Any]]:
    """Rows of a full table, the model first, then the baselines: model, cells, is_model."""
    facts = evaluation.facts
    found = [(model, pick(evaluation, model, fold=fold, horizon=horizon, entry=entry)) for model in facts["models"]]
    return [
        {"model": model, "cells": cells(row), "is_model": model == facts["model"]}
        for model, row in found
        if row is not None
    ]


def horizon_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Rows of the short table over horizons: for each entry RankIC, t and net Sharpe, then without flagged rows."""
    facts = evaluation.facts
    rows = []
    for horizon in facts["horizons"]:
        for place, model in enumerate(facts["models"]):
            short = []
            for entry in facts["entries"]:
                where = {"fold": OUT_OF_FOLD, "horizon": horizon, "entry": entry}
                kept = pick(evaluation, model, flagged="included", **where)
                rest = pick(evaluation, model, flagged="excluded", **where)
                short += [number(kept["rank_ic"]), number(kept["rank_ic_t"], 1)] if kept else [UNKNOWN] * 2
                short += [number(kept["sharpe_net"], 2)] if kept else [UNKNOWN]
                short += [number(rest["rank_ic"]), number(rest["sharpe_net"], 2)] if rest else [UNKNOWN] * 2
            label = str(horizon) if place == 0 else ""
            rows.append({"horizon": label, "model": model, "cells": short, "is_model": model == facts["model"]})
    return rows


def pick(
    evaluation: Evaluation, model: str, *, fold: str, horizon: int, entry: str, flagged: str = "included"
) -> dict[str, Any] | None:
    """The summary's row, or None if the model has none there."""
    wanted = {"model": model, "fold": fold, "horizon": horizon, "entry": entry, "flagged": flagged}
    found = evaluation.summary.filter(*(pl.col(name) == value for name, value in wanted.items()))
    return found.row(0, named=True) if len(found) else None


def headline(evaluation: Evaluation, model: str) -> dict[str, Any] | None:
    """The row that leads: out of fold, headline horizon, the entry of the settings."""
    facts = evaluation.facts
    return pick(evaluation, model, fold=OUT_OF_FOLD, horizon=facts["headline_horizon"], entry=facts["entry"])


def verdict(evaluation: Evaluation) -> str:
    """What the figures say, in two or three plain sentences."""
    lead = evaluation.facts["models"][0]
    row = headline(evaluation, lead)
    if row is None or row["rank_ic"] is None:
        return f"{lead} has no out-of-fold session with a RankIC."
    low, high = row["rank_ic_low"], row["rank_ic_high"]
    where = "above zero" if low > 0.0 else "below zero" if high < 0.0 else "that includes zero"
    text = f"RankIC {number(row['rank_ic'])} with a 95% interval of {interval(low, high)}, {where}."
    ridge = headline(evaluation, RIDGE)
    if ridge is not None and lead != RIDGE and ridge["rank_ic"] is not None:
        text += f" Ridge on the same inputs reaches {number(ridge['rank_ic'])}."
    net, gross = row["sharpe_net"], row["sharpe_gross"]
    if net is not None and gross is not None:
        text += f" After costs the long-short Sharpe ratio is {number(net, 2)}, before them {number(gross, 2)}."
    return text


def tiles(evaluation: Evaluation) -> list[dict[str, str]]:
    """The four figures on top."""
    row = headline(evaluation, evaluation.facts["models"][0])
    if row is None:
        return []
    return [
        {
            "label": "RankIC",
            "value": number(row["rank_ic"]),
            "note": f"t {number(row['rank_ic_t'], 1)}, Hansen-Hodrick",
        },
        {
            "label": "Residual RankIC",
            "value": number(row["residual_rank_ic"]),
            "note": f"within volatility bins, t {number(row['residual_rank_ic_t'], 1)}",
        },
        {"label": "Net Sharpe", "value": number(row["sharpe_net"], 2), "note": f"t {number(row['net_t'], 1)}"},
        {"label": "SCALE", "value": number(row["scale"], 2), "note": "0 would be a collapsed model"},
    ]
