"""Feature files of a whole market are committed and spoilt in one way each; the real checks must see it and name it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets import features as features_module
from assets.features import no_feature_family_collapsed, values_stayed_as_they_were
from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.features.drift import drifted
from atft_pipeline.features.schema import frame_problems
from atft_pipeline.normalization.moments import date_moments
from atft_pipeline.settings import load_settings
from resources.io_manager import LakeResource
from resources.lake import Lake
from resources.manifest import Provenance
from resources.structure import Structure, month_bounds, resolve
from tests.full_market import FullMarket, full_market
from tests.unit.assets.told import told

N_CODES, N_JUDGED = 160, 260
"""With fewer stocks most sectors have no three members, and the sector family is null beyond its limits. Columns are
judged to be constant, and sparse ones at all, on 252 sessions."""

LEFT = 99
"""Columns that were left of the earlier system's table."""

ORIGIN = Provenance(settings_hash="s", code_version="c", contract_hash=CONTRACT.hash, inputs={})
SOME = ("alpha158", "market", "margin")
"""Families for what happens to each in the same way."""

BEFORE, LATEST = "2026-09", "2026-10"
Named = tuple[str, str, str]
"""Rule, column, family."""


@dataclass(frozen=True)
class Saved:
    """A lake with features and the universe by month."""

    lake: Lake

    def write(self, frame: pl.DataFrame, asset: str = "features") -> None:
        """Commit each month, as the IO manager does."""
        months = frame["Date"].dt.to_string("%Y-%m").unique().sort().to_list()
        self.lake.commit_all(asset, ((month, of_month(frame, month), ORIGIN) for month in months))


def of_month(frame: pl.DataFrame, month: str) -> pl.DataFrame:
    return frame.filter(pl.col("Date").is_between(*month_bounds(month)))


@pytest.fixture(scope="module")
def market() -> FullMarket:
    return full_market(N_CODES, CONTRACT.warmup + N_JUDGED)


@pytest.fixture(scope="module")
def shape(market: FullMarket) -> Structure:
    """A deployment of that market with every family of the contract."""
    given = {
        "source.simulator.n_codes": N_CODES,
        "source.simulator.n_sessions": len(market.sessions),
        "source.simulator.last_session": market.sessions[-1],
        "features.families": list(CONTRACT.families),
        "period.sessions": N_JUDGED,
    }
    shape = resolve(load_settings("demo", given, environ={}))
    assert (shape.contract, shape.start) == (CONTRACT, market.sessions[-N_JUDGED])
    return shape


@pytest.fixture(scope="module")
def year(market: FullMarket, shape: Structure) -> pl.DataFrame:
    """Every column of the contract on every judged session, from the raw tables."""
    return compute_features(
        market.lazy(), market.universe.lazy(), CONTRACT.families, shape.start, shape.as_of
    ).collect()


@pytest.fixture(scope="module")
def sound(year: pl.DataFrame) -> pl.DataFrame:
    """Its latest month: enough for what a mutation does to a day."""
    return of_month(year, LATEST)


@pytest.fixture(scope="module")
def lake_of_universe(tmp_path_factory: pytest.TempPathFactory, market: FullMarket, shape: Structure) -> Path:
    root = tmp_path_factory.mktemp("universe")
    Saved(Lake(root)).write(market.universe.filter(pl.col("Date") >= shape.start), "universe")
    return root


@pytest.fixture
def saved(lake_of_universe: Path, shape: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """A lake of that deployment that holds the universe and nothing else."""
    lake = Lake(shutil.copytree(lake_of_universe, tmp_path / "lake"))
    monkeypatch.setattr(features_module, "structure", lambda: shape)
    monkeypatch.setattr(LakeResource, "open", lambda self: lake)
    return Saved(lake)


def check() -> dg.AssetCheckResult:
    result = no_feature_family_collapsed(LakeResource())
    assert isinstance(result, dg.AssetCheckResult)
    return result


def refused(result: dg.AssetCheckResult) -> set[Named]:
    """What the check names; it must have failed, as an error, and told the first problem in its headline."""
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    rows = told(result, "what")
    assert rows[0]["column"] in (result.description or "")
    families = {(row["family"], row["rule"]) for row in told(result, "families")}
    assert families == {(row["family"], row["rule"]) for row in rows}
    return {(row["rule"], row["column"], row["family"]) for row in rows}


def missing(names: Iterable[str]) -> set[Named]:
    return {("missing", name, CONTRACT[name].family) for name in names}


def family(name: str) -> list[str]:
    return list(CONTRACT.select([name]).names)


def exchanged(frame: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    """The values of two columns under each other's name."""
    return frame.with_columns(pl.col(one).alias(other), pl.col(other).alias(one))


def in_other_order(frame: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    """Two columns in each other's place, their values with them."""
    places = {one: other, other: one}
    return frame.select(places.get(name, name) for name in frame.columns)


def on(frame: pl.DataFrame, days: int, name: str, value: pl.Expr) -> pl.DataFrame:
    """A column replaced on the last days."""
    last = pl.col("Date").is_in(frame["Date"].unique().sort()[-days:].implode())
    return frame.with_columns(pl.when(last).then(value).otherwise(name).alias(name))


def test_sound_files_pass(saved: Saved, year: pl.DataFrame) -> None:
    """The control: a year of every family."""
    saved.write(year)
    result = check()
    assert result.passed, result.description
    assert result.metadata["columns_in_the_files"].value == len(CONTRACT.columns)
    assert result.metadata["problems"].value == 0


def test_the_latest_month_alone_passes(saved: Saved, sound: pl.DataFrame) -> None:
    """The control of the mutations that need no more."""
    saved.write(sound)
    assert check().passed


@pytest.mark.parametrize("dropped", CONTRACT.families)
def test_a_family_that_was_not_made(saved: Saved, sound: pl.DataFrame, dropped: str) -> None:
    saved.write(sound.drop(family(dropped)))
    assert refused(check()) == missing(family(dropped))


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_all_but_99_columns_lost(saved: Saved, sound: pl.DataFrame, seed: int | None) -> None:
    """The table that silently shrank: its first columns, or any."""
    names = list(CONTRACT.names) if seed is None else np.random.default_rng(seed).permutation(CONTRACT.names).tolist()
    saved.write(sound.drop(names[LEFT:]))
    result = check()
    assert refused(result) == missing(names[LEFT:])
    assert result.metadata["columns_in_the_files"].value == LEFT


def test_what_moved_is_not_asked_of_columns_that_are_gone(saved: Saved, sound: pl.DataFrame) -> None:
    """The warning says so; it is the blocking check that names them."""
    saved.write(sound.drop("beta_20"))
    result = values_stayed_as_they_were(LakeResource())
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "1 columns are not as the contract says and cannot be compared"


@pytest.mark.parametrize("lost", SOME)
def test_a_family_that_is_null(saved: Saved, sound: pl.DataFrame, lost: str) -> None:
    """A join that matched nothing."""
    saved.write(sound.with_columns(pl.lit(None, pl.Float32).alias(name) for name in family(lost)))
    assert refused(check()) == {("family_null", "*", lost)}


Change = Callable[[pl.DataFrame], pl.DataFrame]
ZERO = pl.lit(0.0, pl.Float32)
SPOILT: dict[str, tuple[Change, set[Named]]] = {
    "two columns change places": (
        lambda f: in_other_order(f, "return_5", "return_10"),
        {("order", "return_10", "technical")},
    ),
    "places far apart": (lambda f: in_other_order(f, "kmid", "month_end"), {("order", "month_end", "events")}),
    "Code before Date": (lambda f: in_other_order(f, "Date", "Code"), {("order", "Code", "")}),
    "values of two columns exchanged": (
        lambda f: exchanged(f, "log_trading_value_20", "ksft"),
        {("range", "log_trading_value_20", "liquidity"), ("range", "ksft", "alpha158")},
    ),
    "values exchanged, one range inside the other": (
        lambda f: exchanged(f, "rsi_14", "return_1"),
        {("range", "rsi_14", "technical")},
    ),
    "values of a stock's and of the market's column": (
        lambda f: exchanged(f, "short_report_days_since", "topix_gap"),
        {
            ("range", "short_report_days_since", "short_selling"),
            ("range", "topix_gap", "market"),
            ("spread", "topix_gap", "market"),
        },
    ),
    "one column too many": (lambda f: f.with_columns(next_open_1=ZERO), {("extra", "next_open_1", "")}),
    "one column under another name": (
        lambda f: f.rename({"beta_60": "beta_61"}),
        {("missing", "beta_60", "cross_market"), ("extra", "beta_61", "")},
    ),
    "twice the bits": (lambda f: f.cast({"beta_60": pl.Float64}), {("dtype", "beta_60", "cross_market")}),
    "codes as numbers": (
        lambda f: f.with_columns(Code=pl.col("Code").str.slice(0, 4).cast(pl.Int64, strict=False)),
        {("dtype", "Code", "")},
    ),
    "dates as text": (lambda f: f.cast({"Date": pl.String}), {("dtype", "Date", "")}),
    "one column is 0": (lambda f: f.with_columns(return_1=ZERO), {("spread", "return_1", "technical")}),
    "the stocks are alike on 2 of 20 days": (
        lambda f: on(f, 2, "macd_line", pl.col("macd_line").mean().over("Date")),
        {("spread", "macd_line", "technical")},
    ),
    "a column of the market differs between stocks": (
        lambda f: on(f, 1, "topix_gap", pl.col("return_1")),
        {("spread", "topix_gap", "market")},
    ),
    "a column is null on half of the days": (
        lambda f: on(f, 10, "return_5", pl.lit(None, pl.Float32)),
        {("null_share", "return_5", "technical")},
    ),
    "rows twice": (lambda f: pl.concat([f, f.sample(5, seed=1)]), {("duplicate", "Date, Code", "")}),
    "a session twice": (
        lambda f: pl.concat([f, f.filter(pl.col("Date") == f["Date"].max())]),
        {("duplicate", "Date, Code", "")},
    ),
    "a session is lost": (
        lambda f: f.filter(pl.col("Date") != f["Date"].unique().sort()[7]),
        {("rows", "Date, Code", "")},
    ),
    "the last rows are lost": (lambda f: f.head(-3), {("rows", "Date, Code", "")}),
    "a stock under another one's code": (
        lambda f: f.with_columns(pl.col("Code").replace(f["Code"][0], "99990")),
        {("rows", "Date, Code", "")},
    ),
}
"""What was done to the files, and exactly what the check must name."""


@pytest.mark.parametrize(("change", "named"), SPOILT.values(), ids=SPOILT)
def test_spoilt_files_are_refused(saved: Saved, sound: pl.DataFrame, change: Change, named: set[Named]) -> None:
    saved.lake.commit("features", LATEST, change(sound), ORIGIN)
    assert refused(check()) == named


@pytest.mark.parametrize(
    ("change", "named"),
    [
        *((lambda f, name=name: f.drop(family(name)), missing(family(name))) for name in SOME),
        (lambda f: in_other_order(f, "return_5", "return_10"), {("order", "return_10", "technical")}),
        (lambda f: f.cast({"beta_60": pl.Float64}), {("dtype", "beta_60", "cross_market")}),
        (lambda f: f.with_columns(next_open_1=ZERO), {("extra", "next_open_1", "")}),
        (lambda f: f.clear(), {("rows", "Date, Code", "")}),
    ],
    ids=[*(f"without {name}" for name in SOME), "order", "dtype", "extra", "no rows"],
)
def test_one_spoilt_month_is_enough(saved: Saved, year: pl.DataFrame, change: Change, named: set[Named]) -> None:
    """Read together, two files hold every column that one of them holds: a lost family would only be null in part."""
    spoilt = change(of_month(year, BEFORE))
    parts = [(BEFORE, spoilt), (LATEST, of_month(year, LATEST))]
    saved.lake.commit_all("features", ((month, frame, ORIGIN) for month, frame in parts))
    result = check()
    assert refused(result) == named
    form = [row["value"] for row in told(result, "what") if row["rule"] != "rows"]
    assert all(value.endswith(f" in {BEFORE}") for value in form)


def test_lost_and_strange_rows_are_counted(saved: Saved, sound: pl.DataFrame) -> None:
    """Two members lose their rows on one session, and a code that nobody knows has one on each."""
    days = sound["Date"].unique().sort().to_list()
    gone = sound.filter(pl.col("Date") == days[-1])["Code"].to_list()[2:4]
    rest = sound.filter((pl.col("Date") != days[-1]) | ~pl.col("Code").is_in(gone))
    strange = sound.group_by("Date").first().with_columns(Code=pl.lit("99990")).select(sound.columns)
    saved.write(pl.concat([rest, strange]).sort("Date", "Code"))
    assert [row["value"] for row in told(check(), "what")] == [
        f"2 members of the universe have no row, on 1 sessions, first {gone[0]} on {days[-1]}",
        f"{len(days)} rows are of no member, on {len(days)} sessions, first 99990 on {days[0]}",
    ]


@pytest.mark.parametrize(
    ("name", "value", "rules"),
    [
        ("return_1", 0.0, {"constant", "spread"}),
        ("topix_gap", 0.01, {"constant"}),
        ("topix_trend_up", 1.0, {"constant"}),
    ],
)
def test_a_column_that_stands_still_for_a_year(
    saved: Saved, year: pl.DataFrame, name: str, value: float, rules: set[str]
) -> None:
    """Columns of the whole market have no spread to lose: only time tells that they are dead."""
    saved.write(year.with_columns(pl.lit(value, pl.Float32).alias(name)))
    assert refused(check()) == {(rule, name, CONTRACT[name].family) for rule in rules}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return_1", "return_20"),
        ("rsqr20", "rsqr30"),
        ("s33_rank_20", "s17_rank_20"),
    ],
)
def test_like_columns_exchanged_have_moved(saved: Saved, sound: pl.DataFrame, one: str, other: str) -> None:
    """Of one range and kind, each is a sound column under the other's name; what was there before knows better."""
    saved.write(sound)
    saved.lake.commit("normalization_stats", None, date_moments(sound, CONTRACT), ORIGIN)
    assert moved().passed
    saved.write(exchanged(sound, one, other))
    assert check().passed
    result = moved()
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert {row["column"] for row in told(result, "what")} == {one, other}


def moved() -> dg.AssetCheckResult:
    result = values_stayed_as_they_were(LakeResource())
    assert isinstance(result, dg.AssetCheckResult)
    return result


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_any_two_columns_exchanged_are_seen_by_one_of_the_checks(sound: pl.DataFrame, seed: int | None) -> None:
    """Each column with its neighbour, who is most like it, or with any other; many pairs at once.

    What neither sees: columns that are the same numbers (by definition, or on the simulated market), and two flags
    that hardly ever change: the middle day is 0 in both.
    """
    order = list(CONTRACT.names)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order).tolist()
    pairs = [*zip(order[::2], order[1::2], strict=False)]
    other = dict(pairs) | {b: a for a, b in pairs}
    spoilt = sound.with_columns(pl.col(b).alias(a) for a, b in other.items())
    named = {problem.column for problem in frame_problems(spoilt.lazy(), CONTRACT)}
    named |= set(drifted(date_moments(spoilt, CONTRACT), date_moments(sound, CONTRACT))["column"])
    unseen = [pair for pair in pairs if named.isdisjoint(pair)]
    assert all(same_numbers(sound, *pair) or both_flags(*pair) for pair in unseen), unseen
    assert len(unseen) < 5


def same_numbers(frame: pl.DataFrame, one: str, other: str) -> bool:
    return frame.select(pl.col(one).sub(pl.col(other)).abs().max() < 1e-4).item() is True


def both_flags(one: str, other: str) -> bool:
    return CONTRACT[one].kind == CONTRACT[other].kind == "flag"
