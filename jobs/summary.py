"""What a run says at its end: results per horizon beside the baselines, the top names, and where to look."""

from __future__ import annotations

import sys
from datetime import date

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from atft_pipeline.evaluation.evaluate import Evaluation
from atft_pipeline.jquants.attainable import attainable_rank_ic
from jobs.plan import Plan
from jobs.run import Outcome
from resources.currency import asset_name
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.structure import Structure, structure

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
"""A log has no width of its own; the tables need this much."""


def print_outcome(outcome: Outcome) -> None:
    """Errors and failed checks first; else the results of the latest evaluation."""
    reused = outcome.plan.reused
    if reused:
        names = ", ".join(asset_name(key) for key in reused[:6]) + (" ..." if len(reused) > 6 else "")
        console.print(f"Re-used, being current: {len(reused)} of {len(reused) + len(outcome.plan.reasons)} ({names})")
    for step, message in outcome.errors.items():
        console.print(f"[red]{step}[/]: {escape(message)}", soft_wrap=True)
    for check in outcome.failed_checks:
        console.print(f"[red]check failed[/] {check}", soft_wrap=True)
    for check in outcome.warnings:
        console.print(f"[yellow]warning[/] {check}", soft_wrap=True)
    if outcome.interrupted is not None:
        console.print(
            f"[yellow]Interrupted[/] in {outcome.interrupted}. What was committed before stays; the same command goes"
            " on from there.",
            soft_wrap=True,
        )
        return
    if outcome.errors or outcome.failed_checks:
        console.print("Nothing that failed was committed; what was committed before stays. `atft status` shows it.")
        return
    for note in structure().notes:
        console.print(f"[dim]{note}[/]")
    lake = LakeResource().open()
    if lake.manifest("evaluation") is not None:
        evaluation = lake.read("evaluation", None, Evaluation)
        console.print(_results(evaluation))
        if structure().settings.source.kind == "simulated":
            console.print(_attainable(), soft_wrap=True)
        console.print(f"Report   {lake.file('evaluation', None, 'report.html')}", soft_wrap=True)
    if lake.partitions("daily_signals"):
        console.print(_top(lake))
    pages = structure().settings.pages
    console.print(f"Dagster  {pages.dagster}   MLflow  {pages.mlflow}   (start both with: atft ui)")


def print_status(todo: Plan, shape: Structure) -> None:
    """A row per asset: current, or why not."""
    table = Table(title=f"{shape.settings.preset}: {shape.data_start} to {shape.as_of}", title_justify="left")
    table.add_column("asset")
    table.add_column("state")
    rows = {asset_name(key): "[green]current[/]" for key in todo.reused}
    rows |= {asset_name(key): f"[yellow]{reason}[/]" for key, reason in todo.reasons.items()}
    for name, state in rows.items():
        table.add_row(name, state)
    console.print(table)


def _results(evaluation: Evaluation) -> Table:
    """Out-of-fold figures per horizon: the network, then the baselines; the tradable entry."""
    facts = evaluation.facts
    rows = evaluation.summary.filter(
        (pl.col("fold") == "out_of_fold") & (pl.col("entry") == facts["entry"]) & (pl.col("flagged") == "included")
    )
    table = Table(
        title=f"Out of fold, entry {facts['entry']}, {facts['first']} to {facts['last']}", title_justify="left"
    )
    for column in ("horizon", "model", "RankIC", "95% interval", "residual", "ICIR", "Sharpe gross", "net", "SCALE"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for horizon in facts["horizons"]:
        for model in facts["models"]:
            row = rows.row(by_predicate=(pl.col("horizon") == horizon) & (pl.col("model") == model), named=True)
            interval = f"{row['rank_ic_low']:+.3f} .. {row['rank_ic_high']:+.3f}"
            names = ("rank_ic", "residual_rank_ic", "icir", "sharpe_gross", "sharpe_net", "scale")
            rank_ic, residual, *rest = ("-" if row[name] is None else f"{row[name]:+.3f}" for name in names)
            style = "bold" if model == facts["model"] else "dim"
            table.add_row(f"{horizon}", model, rank_ic, interval, residual, *rest, style=style)
        table.add_section()
    return table


def _attainable() -> str:
    """What a model could reach on the simulated market, from the expectations that only the simulator knows."""
    rows = attainable_rank_ic(structure().settings).iter_rows(named=True)
    reach = (f"{r['horizon']} {r['with_peers']:.3f} ({r['without_peers']:.3f})" for r in rows)
    return f"Attainable RankIC per horizon, without the peers in brackets: {', '.join(reach)}"


def _top(lake: Lake) -> Table:
    """The first ten names of the latest session."""
    signals = lake.scan("daily_signals").collect()
    session: date = max(signals["Date"].to_list())
    table = Table(title=f"Top 10 of {session}, for the next open", title_justify="left", min_width=44)
    for column in ("rank", "code", "name", "score"):
        table.add_column(column, justify="right" if column in ("rank", "score") else "left")
    for row in signals.filter(pl.col("Date") == session).sort("rank").head(10).iter_rows(named=True):
        table.add_row(str(row["rank"]), row["Code"], row["CoName"] or "", f"{row['score']:+.3f}")
    return table
