"""A folder of files, told: the endpoints as a table, then problems, warnings and what can be made, in words."""

from __future__ import annotations

from datetime import date, datetime

from rich.markup import escape
from rich.table import Table

from atft_pipeline.calendar import TOKYO
from atft_pipeline.doctor import Checkup, EndpointHealth, check_folder
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.jquants.findings import SHOWN, Problem
from atft_pipeline.settings import Settings
from jobs.summary import console
from resources.progress import reporter

SHOWN_DAYS = 8
"""Sessions without bars that are named; the rest are counted."""


def examine_folder(settings: Settings) -> bool:
    """Check the folder of the settings and say what was found; whether it is usable."""
    reporter().begin("doctor")
    try:
        checkup = check_folder(settings, datetime.now(TOKYO).date(), reporter().step)
    finally:
        reporter().close()
    print_checkup(checkup, settings)
    return checkup.usable


def print_checkup(checkup: Checkup, settings: Settings) -> None:
    """The table, then sentences; problems last but for the verdict, where they are read."""
    console.print(_table(checkup.endpoints))
    console.print(f"Absent: {', '.join(checkup.absent) or 'nothing'}.")
    missing = [family for family in CONTRACT.families if family not in checkup.families]
    without = f"; not {', '.join(missing)}" if missing else ""
    console.print(f"Feature families that can be computed: {', '.join(checkup.families) or 'none'}{without}.")
    if checkup.sessions:
        console.print(_period(checkup, settings))
        console.print(f"Sessions of the calendar without bars: {_days(checkup.silent)}.")
        console.print(f"Master: {'one snapshot, stretched over the period' if checkup.stretched else 'daily rows'}.")
    for note in checkup.notes:
        console.print(f"[dim]{escape(note)}[/]")
    for health in checkup.endpoints:
        for oddity in health.findings.oddities:
            console.print(f"[yellow]warning[/] {health.name}: {escape(str(oddity))}", soft_wrap=True)
    problems = _problems(checkup)
    for line in problems[:SHOWN]:
        console.print(f"[red]problem[/] {escape(line)}", soft_wrap=True)
    if len(problems) > SHOWN:
        console.print(f"[red]and {len(problems) - SHOWN} more problems[/]")
    verdict = "[green]Usable.[/]" if checkup.usable else f"[red]Not usable: {len(problems)} problem(s).[/]"
    console.print(f"{verdict} Preset {settings.preset}, {settings.source.path}", soft_wrap=True)


def _table(endpoints: tuple[EndpointHealth, ...]) -> Table:
    table = Table(title="Market data", title_justify="left")
    for column in ("endpoint", "files", "format", "rows", "first", "last", "codes", "problems", "warnings"):
        table.add_column(column, justify="left" if column in ("endpoint", "format") else "right")
    for health in endpoints:
        problems, warnings = len(health.findings.problems), len(health.findings.oddities)
        table.add_row(
            health.name,
            f"{health.files}",
            ", ".join(form.removeprefix(".") for form in health.formats),
            f"{health.rows:,}",
            str(health.first or "-"),
            str(health.last or "-"),
            "-" if health.codes is None else f"{health.codes:,}",
            f"[red]{problems}[/]" if problems else "0",
            f"[yellow]{warnings}[/]" if warnings else "0",
        )
    return table


def _period(checkup: Checkup, settings: Settings) -> str:
    after = checkup.sessions - checkup.warmup
    said = f"Period: {checkup.sessions:,} sessions; the warm-up takes {checkup.warmup}, so {max(after, 0):,} follow"
    if checkup.wanted is None:
        return f"{said}."
    if after >= checkup.wanted:
        return f"{said}; preset {settings.preset} takes the last {checkup.wanted}."
    return f"{said}; preset {settings.preset} asks for {checkup.wanted} and takes what there is."


def _days(days: tuple[date, ...]) -> str:
    """How many, and the first `SHOWN_DAYS` of them."""
    named = ", ".join(str(day) for day in days[:SHOWN_DAYS])
    return f"{len(days)} ({named}{', ...' if len(days) > SHOWN_DAYS else ''})" if days else "none"


def _problems(checkup: Checkup) -> list[str]:
    found = [problem for health in checkup.endpoints for problem in health.findings.problems]
    lines = [f"{problem}. {problem.remedy}" for problem in found]
    for problem in checkup.problems:
        text = f"{problem}. {problem.remedy}" if isinstance(problem, Problem) else str(problem)
        lines.append(text)
    return lines
