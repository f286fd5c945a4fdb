"""`atft`: the command line. It fixes the structure of the process first, then loads the code location."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from atft_pipeline.errors import AtftError
from atft_pipeline.jquants.plan_names import PLAN_ORDER
from atft_pipeline.jquants.twin import SIMULATED_KEY
from atft_pipeline.sections import SimulatorSettings
from atft_pipeline.settings import flatten, load_settings, parse_assignments, preset_names

MARKET = SimulatorSettings()
INTERRUPTED_EXIT = 130
"""What shells give a command that Ctrl-C ended."""


class _Commands(click.Group):
    """Prints an error of the project as what it is: a problem and its remedy, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AtftError as error:
            click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
            sys.exit(2)


def structure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--preset, --source and --set: what is fixed before the code location loads."""
    for option in (
        click.option(
            "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated."
        ),
        click.option(
            "--source",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder of Parquet or CSV files in J-Quants V2 columns.",
        ),
        click.option("--preset", default="demo", show_default=True, help=f"One of {', '.join(preset_names())}."),
    ):
        command = option(command)
    return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """From J-Quants market data to a ranked list of Tokyo stocks, every step checked and on record.

    \b
    atft run                               everything on a simulated market, in minutes
    atft run --preset tse --source DIR     the same over your own files
    atft ui                                Dagster's and MLflow's pages
    atft status                            what is current, what is not, and why
    atft doctor --source DIR               what is wrong with your files, before anything runs
    atft simulate-api                      a local twin of the J-Quants API, to try everything against
    """  # noqa: D301 - click wants the character itself


@main.command()
@structure_options
@click.option(
    "--job",
    type=click.Choice(["research", "nightly_retrain", "nightly_signals"]),
    default="research",
    show_default=True,
    help="What to make; `atft backfill` makes months.",
)
@click.option(
    "--to",
    metavar="ASSET",
    multiple=True,
    help="Stop at this asset, e.g. features or fold_models/fold_0; may be repeated.",
)
def run(preset: str, source: Path | None, assignments: tuple[str, ...], job: str, to: tuple[str, ...]) -> None:
    """Run a job; what is current is re-used.

    \b
    Examples:
      atft run --set model.graph.enabled=false
      atft run --to features
      atft run --preset tse --source ~/prices --set universe.n_largest=500
    """  # noqa: D301 - click wants the character itself
    fix_structure(preset, source, assignments)
    _execute(job, to, None)


@main.command()
@structure_options
@click.argument("asset")
@click.option("--from", "first", required=True, metavar="MONTH", help="First month, e.g. 2023-01.")
@click.option("--to", "last", required=True, metavar="MONTH", help="Last month.")
def backfill(preset: str, source: Path | None, assignments: tuple[str, ...], asset: str, first: str, last: str) -> None:
    """Make the months of a monthly asset, and of what it needs, that are missing or not current."""
    fix_structure(preset, source, assignments)
    _execute("backfill", (asset,), (first, last))


@main.command()
@structure_options
def status(preset: str, source: Path | None, assignments: tuple[str, ...]) -> None:
    """Which artefacts are current, which are not, and why."""
    fix_structure(preset, source, assignments)
    import dagster as dg

    from jobs.definitions import defs
    from jobs.plan import plan
    from jobs.summary import print_status
    from resources.io_manager import LakeResource
    from resources.structure import structure

    shape = structure()
    todo = plan(defs, "research", dg.DagsterInstance.get(), LakeResource().open(), shape, shape.settings)
    print_status(todo, shape)


@main.command()
@click.option("--preset", help=f"One of {', '.join(preset_names())}; tse with --source, else demo.")
@click.option("--source", type=click.Path(path_type=Path), metavar="DIR", help="Folder of Parquet or CSV files.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
def doctor(preset: str | None, source: Path | None, assignments: tuple[str, ...]) -> None:
    """Check this machine, and a folder of files or an account of the API, without running anything.

    \b
    machine    disk, versions of what is installed, compute device
    account    with --preset jquants: key, plan and its window, clock; one request
    folder     with --source DIR: every file, row and rule

    \b
    Files are named after the endpoints, split by date or not, in any folder inside DIR:
      equities_bars_daily.parquet                    Date Code O H L C Vo Va AdjFactor (needed; Va can be left out)
      equities_master_202501.csv.gz                  Date Code S17 S33 and more (needed; one snapshot will do)
      indices_bars_daily_topix.csv                   Date O H L C (needed by the families market and cross_market)
      historical/2025/equities_bars_daily_202501.csv.gz    as the bulk download lays them out

    Problems stop a run and name file, column and row; warnings are counted and do not. Exit code 0: usable;
    1: there are problems, each with its remedy; 2: there is no such folder or setting.

    \b
    Examples:
      atft doctor --source ~/prices
      atft doctor --source ~/prices --set period.sessions=500
      atft doctor --preset jquants
    """  # noqa: D301 - click wants the character itself
    from jobs.doctor import run_doctor

    overrides: dict[str, Any] = dict(parse_assignments(assignments))
    if source is not None:
        overrides = _with_source(overrides, source)
    if not run_doctor(load_settings(preset or ("demo" if source is None else "tse"), overrides)):
        sys.exit(1)


@main.command()
@structure_options
def ui(preset: str, source: Path | None, assignments: tuple[str, ...]) -> None:
    """Serve Dagster's page (with its daemon) and MLflow's page on 127.0.0.1 until Ctrl-C."""
    fix_structure(preset, source, assignments)
    from jobs.pages import serve

    serve()


@main.command("simulate-api")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="On 127.0.0.1; 0: a free one."
)
@click.option(
    "--plan", type=click.Choice(PLAN_ORDER), default="standard", show_default=True, help="What is subscribed."
)
@click.option("--key", default=SIMULATED_KEY, show_default=True, help="The one key that it takes.")
@click.option(
    "--codes", type=click.IntRange(20, 6000), default=MARKET.n_codes, show_default=True, help="Names on the market."
)
@click.option(
    "--sessions",
    type=click.IntRange(60),
    default=MARKET.n_sessions,
    show_default=True,
    help="Sessions of the market.",
)
@click.option(
    "--last-session",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Where the market ends; the latest session whose bars are out by now, if not given.",
)
@click.option(
    "--now",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]),
    metavar="ISO",
    help="Where the clock stands at first, Tokyo time; 20:00 of --last-session if that is given.",
)
@click.option("--page-rows", type=click.IntRange(1), default=2000, show_default=True, help="Rows per page.")
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help="What goes wrong; may be repeated.")
def simulate_api(port: int, last_session: datetime | None, faults: tuple[str, ...], **market: Any) -> None:
    """Serve a local twin of the J-Quants API V2 over a simulated market until Ctrl-C.

    It needs no contract and no network: paths, columns, pages, plans, limits per minute, publication times and
    downloads are those of the API. The clock goes on from where it stands, and nothing is served before its time.

    \b
    A FAULT is KIND[,path=PATH][,after=N][,count=N]: of the requests to PATH, which may be left out,
    the first N pass and the next N fail. KIND is one of
      status=503  rate_limit  block  expired_key          refusals; block lasts five minutes
      timeout=SECONDS  drip=SECONDS  cut                  late, slow and broken answers
      truncated_gzip  corrupt_gzip  wrong_json            damaged bodies
      repeated_key  invalid_key                           pagination keys that lead nowhere
      new_column=X  missing_column=X  unreadable_column=X changed rows
      late_fins=HOURS                                     statements that come later than they should
    Downloads of files are struck only with path=/signed.

    \b
    Examples:
      atft simulate-api
      atft simulate-api --plan free --last-session 2026-10-30
      atft simulate-api --fault status=503,count=3,path=/fins/summary --fault drip=20,path=/signed
    """  # noqa: D301 - click wants the character itself
    from atft_pipeline.jquants.twin.serving import serve, simulated_twin

    last = last_session.date() if last_session else None
    serve(simulated_twin(last_session=last, faults=faults, **market), port, click.echo)


@main.command("settings")
@structure_options
def show_settings(preset: str, source: Path | None, assignments: tuple[str, ...]) -> None:
    """Every key of the settings with its value, as --set and ATFT_* name it."""
    fix_structure(preset, source, assignments)
    from resources.structure import process_settings

    for key, value in flatten(process_settings().model_dump(mode="json")).items():
        click.echo(f"{key} = {json.dumps(value, default=str)}")


def fix_structure(preset: str, source: Path | None, assignments: tuple[str, ...]) -> None:
    """Put preset and overrides where the code location finds them; refuses what cannot be loaded."""
    overrides: dict[str, Any] = dict(parse_assignments(assignments))
    if source is not None:
        overrides = _with_source(overrides, source)
    settings = load_settings(preset, overrides)
    overrides["store"] = str(settings.store.resolve())  # children may run from another folder
    os.environ["ATFT_PRESET"] = preset
    os.environ["ATFT_OVERRIDES"] = json.dumps(overrides)
    from jobs.home import prepare_home

    prepare_home(settings)


def _with_source(overrides: dict[str, Any], folder: Path) -> dict[str, Any]:
    return overrides | {"source.kind": "files", "source.path": str(folder.expanduser().resolve())}


def _execute(job: str, to: tuple[str, ...], within: tuple[str, str] | None) -> None:
    from jobs.definitions import defs
    from jobs.run import run_job
    from jobs.summary import print_outcome

    outcome = run_job(defs, job, to=to, within=within)
    print_outcome(outcome)
    if outcome.interrupted is not None:
        sys.exit(INTERRUPTED_EXIT)
    if outcome.errors or outcome.failed_checks:
        sys.exit(1)


if __name__ == "__main__":
    main()
