"""The evaluation as one HTML page: tables, plots and what they rest on, without a script and without a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from atft_pipeline.drawing import to_svg
from atft_pipeline.evaluation import plots
from atft_pipeline.evaluation.evaluate import RIDGE, Evaluation
from atft_pipeline.evaluation.fold_table import HOLDOUT, FoldTable
from atft_pipeline.evaluation.report_text import (
    ENTRY_NAMES,
    UNKNOWN,
    horizon_rows,
    number,
    table_rows,
    tiles,
    verdict,
)
from atft_pipeline.evaluation.summary import OUT_OF_FOLD

TEMPLATE = "report.html.jinja"
N_TOP = 10


@dataclass(frozen=True)
class ReportExtras:
    """What a report can show beside the figures; a part that is None is left out.

    Attributes:
        fold_table: for the timeline.
        history: training curves: fold, epoch, train_loss, validation_rank_ic.
        selection: variable selection weights: family, weight; several rows of a family are averaged.
        top_names: Date, then any columns in the order to show; rows of one session, best first.
        notes: sentences on the source, such as its survivorship; they stand above every figure.
    """

    fold_table: FoldTable | None = None
    history: pl.DataFrame | None = None
    selection: pl.DataFrame | None = None
    top_names: pl.DataFrame | None = None
    notes: Sequence[str] = ()


def render_report(evaluation: Evaluation, extras: ReportExtras) -> str:
    """The page; equal inputs give equal bytes.

    Args:
        evaluation: figures to show; its `facts` say which model, horizon and entry lead.
        extras: what else is known.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    facts = evaluation.facts
    leading = {"horizon": facts["headline_horizon"], "entry": facts["entry"]}
    page = {
        "title": f"{facts['model']}: evaluation",
        "subtitle": f"{facts['first']} to {facts['last']}, returns of {facts['headline_horizon']} sessions,"
        f" {ENTRY_NAMES[facts['entry']]}",
        "verdict": verdict(evaluation),
        "tiles": tiles(evaluation),
        "headline": table_rows(evaluation, fold=OUT_OF_FOLD, **leading),
        "headline_caption": f"Returns of {facts['headline_horizon']} sessions, {ENTRY_NAMES[facts['entry']]}."
        f" Sharpe ratios of the {facts['long_short_share']:.0%} highest scores against the lowest,"
        f" net of {facts['cost_bps']:g} bp per unit traded.",
        "holdout": table_rows(evaluation, fold=HOLDOUT, **leading),
        "entries": [ENTRY_NAMES[entry].removeprefix("entry at the ") for entry in facts["entries"]],
        "horizons": horizon_rows(evaluation),
        "plots": _result_plots(evaluation),
        "making": _making_plots(extras),
        "top_names": _top_names(extras.top_names),
        "notes": list(extras.notes),
        "facts": facts,
        "flagged_rows": facts["flagged_rows"][str(facts["headline_horizon"])],
        "mean_block": facts["bootstrap_blocks"][str(facts["headline_horizon"])],
        "footer": f"{', '.join(facts['models'])}. Seed {facts['seed']}.",
    }
    return environment.get_template(TEMPLATE).render(page) + "\n"


def _plot(title: str, note: str, figure: Figure) -> dict[str, Any]:
    # Markup: the element is made by matplotlib from our own labels, which it escapes
    return {"title": title, "note": note, "svg": Markup(to_svg(figure))}


def _result_plots(evaluation: Evaluation) -> list[dict[str, Any]]:
    facts = evaluation.facts
    models, horizon, entry = facts["models"], facts["headline_horizon"], facts["entry"]
    linear = [model for model in models if model in (facts["model"], RIDGE)]
    return [
        _plot(
            "Cumulative RankIC",
            "Running sum over the out-of-fold sessions. A steady slope is a steady signal.",
            plots.cumulative_rank_ic(evaluation.daily, models, horizon, entry),
        ),
        _plot(
            "Return by score decile",
            f"Mean return over {horizon} sessions, before costs.",
            plots.decile_bars(evaluation.deciles, linear, horizon, entry),
        ),
        _plot(
            "RankIC by fold",
            "With 95% bootstrap intervals; the holdout, where there is one, is scored once.",
            plots.rank_ic_by_fold(evaluation.summary, models, horizon, entry),
        ),
    ]


def _making_plots(extras: ReportExtras) -> list[dict[str, Any]]:
    made = []
    if extras.fold_table is not None:
        note = (
            f"Gaps are the purge of {extras.fold_table.horizon} sessions on either side of a test block"
            f" and the embargo of {extras.fold_table.embargo} after it."
        )
        made.append(_plot("Folds", note, plots.fold_timeline(extras.fold_table)))
    if extras.history is not None and len(extras.history):
        made.append(_plot("Training", "One line per fold.", plots.training_curves(extras.history)))
    if extras.selection is not None and len(extras.selection):
        note = "Mean weight of each feature family in variable selection."
        made.append(_plot("Feature families", note, plots.selection_bars(extras.selection)))
    return made


def _top_names(names: pl.DataFrame | None) -> Mapping[str, Any] | None:
    if names is None or names.is_empty():
        return None
    shown = names.drop("Date").head(N_TOP)
    is_text = [not dtype.is_numeric() for dtype in shown.dtypes]
    rows = [
        [{"label": _cell(value), "is_text": text} for value, text in zip(row, is_text, strict=True)]
        for row in shown.iter_rows()
    ]
    columns = [{"label": name, "is_text": text} for name, text in zip(shown.columns, is_text, strict=True)]
    return {"day": str(names["Date"][0]), "columns": columns, "rows": rows}


def _cell(value: object) -> str:
    if value is None:
        return UNKNOWN
    return number(value) if isinstance(value, float) else str(value)
