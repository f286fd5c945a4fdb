"""The code versions of the real assets: what an edit of the project makes stale, and what it leaves alone."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from jobs.definitions import defs
from resources.code_version import DOORS, PACKAGES, STOPS, Codebase
from resources.currency import asset_name
from resources.structure import structure
from resources.whole_graph import whole_graph

ROOT = Path(__file__).resolve().parent.parent
RAW = {asset_name(key) for key in whole_graph().get_all_asset_keys() if whole_graph().get(key).group_name == "raw"}
EVERYTHING = {asset_name(key) for key in whole_graph().get_all_asset_keys()}
FROM_BARS = {"universe", "features", "targets", "graphs"}
MODELS = {f"fold_models/{name}" for name in (*structure().fold_names, "full")}
WITH_A_MODEL = {*MODELS, "evaluation", "champion_model", "daily_signals"}
TELL_THE_SOURCE = {*RAW, "universe", "evaluation"}
"""The universe asks the source whether its master is stretched, the report asks it for its notes."""

STALE: Mapping[str, tuple[str, set[str]]] = {
    "what bars are put on": ("atft_pipeline/features/panel.py:grid", FROM_BARS),
    "what few windows use": ("atft_pipeline/features/windows.py:window_age", {"universe", "features"}),
    "machine code, loaded when needed": ("atft_pipeline/features/families/alpha158_kernel.py:_std", {"features"}),
    "a formula of the cache": ("atft_pipeline/normalization/cross_section.py:rank_gauss", {"arrow_cache"}),
    "its reader": ("atft_pipeline/cache/store.py:ArrowCache", {*WITH_A_MODEL, "arrow_cache", "baselines"}),
    "the network": ("atft_pipeline/model/heads.py:build_head", WITH_A_MODEL),
    "a fold's scaling": ("atft_pipeline/normalization/affine.py:fit_affine", {*MODELS, "baselines"}),
    "a loss": ("atft_pipeline/losses/composite.py:CompositeLoss", MODELS),
    "what stops a fit": (
        "atft_pipeline/evaluation/metrics/cross_section.py:rank_ic",
        {*MODELS, "evaluation", "champion_model"},
    ),
    "the portfolio": ("atft_pipeline/evaluation/portfolio.py:tranche_returns", {"evaluation"}),
    "a plot of the report": ("atft_pipeline/evaluation/plots.py:cumulative_rank_ic", {"evaluation"}),
    "a plot of a page": ("atft_pipeline/evaluation/plots.py:degree_bars", set()),
    "the gate": ("atft_pipeline/evaluation/promotion.py:decide", {"champion_model"}),
    "the ranking": ("atft_pipeline/signals.py:rank_session", {"daily_signals"}),
    "the simulated market": ("atft_pipeline/jquants/simulated_prices.py:print_tape", TELL_THE_SOURCE),
    "a retry of the API": ("atft_pipeline/jquants/api/retries.py:persist", TELL_THE_SOURCE),
    "what a check judges by": ("atft_pipeline/features/day_facts.py:day_facts", set()),
    "how settings are read": ("atft_pipeline/settings.py:load_settings", set()),
    "a section of the settings": ("atft_pipeline/sections.py:ModelSettings", set()),
    "an asset": ("assets/targets.py:targets", {"targets"}),
    "what assets share": ("assets/fold_models.py:fit_inputs", MODELS),
    "what a page shows": ("assets/fold_models.py:about", set()),
    "a check": ("assets/targets.py:every_realized_label_is_present", set()),
    "how rows are fetched": ("resources/market_data.py:FetchedMonths", RAW - {"trading_calendar"}),
    "where the dates come from": ("resources/structure.py:resolve", EVERYTHING - {"champion_model"}),
    "where files lie": ("resources/lake.py:Lake", set()),
}


def starts() -> dict[str, str]:
    """Each asset with the definition that makes it."""
    assets = [asset for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition)]
    functions = {asset_name(asset.key): asset.op.compute_fn.decorated_fn.__wrapped__ for asset in assets}  # type: ignore[union-attr]
    return {name: f"{made.__module__}:{made.__qualname__.split('.')[0]}" for name, made in functions.items()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, to be edited."""
    root = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package)
    return root


def versions(root: Path) -> dict[str, str]:
    code = Codebase(root)
    return {name: code.version(start) for name, start in starts().items()}


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    """The versions before any edit."""
    return versions(copy)


def stale(copy: Path, before: Mapping[str, str]) -> set[str]:
    return {name for name, version in versions(copy).items() if version != before[name]}


def test_the_graph_has_the_versions_of_the_functions_that_make_the_assets() -> None:
    assert {asset_name(key): whole_graph().get(key).code_version for key in whole_graph().get_all_asset_keys()} == (
        versions(ROOT)
    )


@pytest.mark.parametrize(("edited", "expected"), STALE.values(), ids=STALE)
def test_an_edit_makes_stale_what_depends_on_it_and_nothing_else(
    copy: Path, before: Mapping[str, str], edited: str, expected: set[str]
) -> None:
    file, name = edited.split(":")
    source = (copy / file).read_text()
    tree = ast.parse(source)
    (definition,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    ]
    definition.body.append(ast.Pass())
    (copy / file).write_text(ast.unparse(tree))
    try:
        assert stale(copy, before) == expected
    finally:
        (copy / file).write_text(source)


def test_the_template_of_the_report_is_part_of_the_evaluation(copy: Path, before: Mapping[str, str]) -> None:
    template = copy / "atft_pipeline" / "evaluation" / "report.html.jinja"
    content = template.read_text()
    template.write_text(content.replace("<h1>", "<h1 >", 1))
    try:
        assert stale(copy, before) == {"evaluation"}
    finally:
        template.write_text(content)


def test_comments_and_layout_are_no_part_of_any_version(copy: Path, before: Mapping[str, str], tmp_path: Path) -> None:
    bare = shutil.copytree(copy, tmp_path / "bare", ignore=shutil.ignore_patterns("__pycache__"))
    for path in bare.rglob("*.py"):
        path.write_text(ast.unparse(ast.parse(path.read_text())))
    assert versions(bare) == before


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_is_there(stop: str) -> None:
    module, _, name = stop.rpartition(".")
    folder = ROOT.joinpath(*module.split("."))
    assert (folder / f"{name}.py").is_file() or name in Codebase(ROOT).code(module).defined


def test_whoever_takes_something_from_behind_a_door_asks_for_it() -> None:
    (door,) = DOORS
    tree = ast.parse(ROOT.joinpath(*door.module.split(".")).with_suffix(".py").read_text())
    (held,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Structure"]
    members = {node.name: node for node in held.body if isinstance(node, ast.FunctionDef)}
    asking = {name for name, node in members.items() if _attributes(node) & door.asked_by}
    assert asking | {"source"} == door.asked_by


def test_settings_hold_values_and_no_behaviour_that_a_stop_would_hide() -> None:
    """What a validator makes of a value is in the value; the hash is the manifest's; home and pages are places."""
    methods: set[str] = set()
    for file in ("sections.py", "settings.py"):
        for kind in ast.parse((ROOT / "atft_pipeline" / file).read_text()).body:
            for node in kind.body if isinstance(kind, ast.ClassDef) else ():
                if isinstance(node, ast.FunctionDef) and "validator" not in "".join(
                    map(ast.unparse, node.decorator_list)
                ):
                    methods.add(f"{kind.name}.{node.name}")  # type: ignore[attr-defined]
    assert methods == {"PageSettings.dagster", "PageSettings.mlflow", "Settings.home", "Settings.hash"}


def _attributes(node: ast.AST) -> set[str]:
    return {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
