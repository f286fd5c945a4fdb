"""A good table passes; every way in which a table can collapse is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import CONTRACT, Contract
from atft_pipeline.features.schema import Problem, frame_problems, validated

N_DAYS, N_STOCKS = 260, 12


@pytest.fixture(scope="module")
def good() -> pl.DataFrame:
    """Random values inside every range; market columns equal within a day."""
    rng = np.random.default_rng(11)
    days = [date(2020, 1, 1) + timedelta(days=i) for i in range(N_DAYS)]
    keys = pl.DataFrame({"Date": days}).join(
        pl.DataFrame({"Code": [f"{1300 + i}0" for i in range(N_STOCKS)]}), how="cross"
    )
    columns: dict[str, pl.Series] = {}
    for column in CONTRACT.columns:
        low, high = column.valid_range
        share = rng.random(N_DAYS).repeat(N_STOCKS) if column.scope == "market" else rng.random(keys.height)
        values = np.round(share) if column.kind == "flag" else low + share * (high - low)
        columns[column.name] = pl.Series(values.astype(np.float32))
    return keys.with_columns(**columns)


def judge(frame: pl.DataFrame, judge_from: date | None = None) -> list[Problem]:
    """Problems under the whole contract."""
    return frame_problems(frame.lazy(), CONTRACT, judge_from=judge_from)


def test_a_good_table_has_no_problem(good: pl.DataFrame) -> None:
    """Neither here nor for pandera."""
    assert judge(good) == []
    assert validated(good, CONTRACT).equals(good)


def constant(value: float) -> pl.Expr:
    """A value in place of a column."""
    return pl.lit(value, dtype=pl.Float32)


def drop_family(frame: pl.DataFrame) -> pl.DataFrame:
    """As if a family had not been made."""
    return frame.drop(c.name for c in CONTRACT.columns if c.family == "volatility")


def swap(frame: pl.DataFrame) -> pl.DataFrame:
    """Two columns change places."""
    names = frame.columns
    names[4], names[5] = names[5], names[4]
    return frame.select(names)


def null_family(frame: pl.DataFrame) -> pl.DataFrame:
    """As if a join had matched nothing."""
    return frame.with_columns(
        pl.lit(None, dtype=pl.Float32).alias(c.name) for c in CONTRACT.columns if c.family == "market"
    )


def first_days(share: float, replacement: pl.Expr, name: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Replace a column on the first days."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        until = frame["Date"].unique().sort()[round(share * N_DAYS)]
        return frame.with_columns(pl.when(pl.col("Date") < until).then(replacement).otherwise(name).alias(name))

    return change


MUTATIONS: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame], set[tuple[str, str, str]]]] = [
    ("one column is gone", lambda f: f.drop("rsi_14"), {("missing", "rsi_14", "technical")}),
    (
        "a family is gone",
        drop_family,
        {("missing", c.name, "volatility") for c in CONTRACT.columns if c.family == "volatility"},
    ),
    ("one too many", lambda f: f.with_columns(target=constant(0)), {("extra", "target", "")}),
    ("two swapped", swap, {("order", "kup", "alpha158")}),
    ("float64", lambda f: f.cast({"beta_60": pl.Float64}), {("dtype", "beta_60", "cross_market")}),
    ("codes as numbers", lambda f: f.cast({"Code": pl.Int64}), {("dtype", "Code", "")}),
    ("a day twice", lambda f: pl.concat([f, f.head(1)]), {("duplicate", "Date, Code", "")}),
    ("a family all null", null_family, {("family_null", "*", "market")}),
    (
        "many nulls",
        first_days(0.12, constant(0).replace(0, None), "return_5"),
        {("null_share", "return_5", "technical")},
    ),
    ("percent", lambda f: f.with_columns(pl.col("rsi_2") * 100), {("range", "rsi_2", "technical")}),
    ("infinite", first_days(0.01, constant(float("inf")), "skew_60"), {("range", "skew_60", "volatility")}),
    ("not a number", first_days(0.01, constant(float("nan")), "skew_60"), {("range", "skew_60", "volatility")}),
    (
        "a dead stock column",
        lambda f: f.with_columns(return_1=constant(0)),
        {("constant", "return_1", "technical"), ("spread", "return_1", "technical")},
    ),
    ("a dead market column", lambda f: f.with_columns(topix_gap=constant(0)), {("constant", "topix_gap", "market")}),
    ("a dead flag", lambda f: f.with_columns(topix_trend_up=constant(1)), {("constant", "topix_trend_up", "market")}),
    (
        "z-score within one stock's slice: zeros on many days",
        first_days(0.06, constant(0), "macd_line"),
        {("spread", "macd_line", "technical")},
    ),
    (
        "a market column that differs between stocks",
        lambda f: f.with_columns(
            topix_gap=pl.col("topix_gap") * pl.Series(np.linspace(0.5, 1, f.height), dtype=pl.Float32)
        ),
        {("spread", "topix_gap", "market")},
    ),
]


@pytest.mark.parametrize(("change", "expected"), [m[1:] for m in MUTATIONS], ids=[m[0] for m in MUTATIONS])
def test_every_collapse_is_named(
    good: pl.DataFrame, change: Callable[[pl.DataFrame], pl.DataFrame], expected: set[tuple[str, str, str]]
) -> None:
    """Rule, column and family of exactly the problem that was made."""
    problems = judge(change(good))
    assert {(p.rule, p.column, p.family) for p in problems} == expected
    assert all(p.value and p.limit and p.value in str(p) for p in problems)


@pytest.mark.parametrize(
    "name",
    [m[0] for m in MUTATIONS if next(iter(m[2]))[0] in ("missing", "extra", "order", "dtype", "range", "duplicate")],
)
def test_pandera_refuses_the_same_forms(good: pl.DataFrame, name: str) -> None:
    """Both are made from one contract, and both name what broke it."""
    change, broken = next((m[1], m[2]) for m in MUTATIONS if m[0] == name)
    with pytest.raises(ContractError) as caught:
        validated(change(good), CONTRACT)
    for _, columns, _ in broken:
        assert all(column in str(caught.value) for column in columns.split(", "))


def test_every_column_out_of_range_is_told_at_once_with_its_worst_row(good: pl.DataFrame) -> None:
    third = pl.int_range(pl.len()) == 2
    spoilt = good.with_columns(
        beta_20=pl.when(third).then(-9e4).when(pl.int_range(pl.len()) == 5).then(8e4).otherwise("beta_20"),
        rsi_2=pl.when(third).then(np.inf).otherwise("rsi_2"),
    ).cast({"beta_20": pl.Float32, "rsi_2": pl.Float32})
    with pytest.raises(ContractError) as caught:
        validated(spoilt, CONTRACT)
    day, code = good["Date"][2], good["Code"][2]
    low, high = CONTRACT["beta_20"].valid_range
    assert f"beta_20 is -90000 for {code} on {day}, 2 values are not in {low:g} to {high:g}" in str(caught.value)
    assert f"rsi_2 is inf for {code} on {day}, 1 values are not in 0 to 1" in str(caught.value)
    assert "raw rows" in caught.value.remedy


def test_what_may_rest(good: pl.DataFrame) -> None:
    """No halt for a year, 4% of days without spread, one trend for nearly a year: no fault."""
    assert judge(good.with_columns(zero_trade_days_60=constant(0))) == []
    assert judge(first_days(0.04, constant(0), "macd_line")(good)) == []
    assert judge(first_days(0.98, constant(1), "topix_trend_up")(good)) == []


def test_a_limit_flag_that_is_dead_for_a_year_is_found(good: pl.DataFrame) -> None:
    found = judge(good.with_columns(limit_up_hit=constant(0)))
    assert {(p.column, p.rule) for p in found} == {("limit_up_hit", "constant"), ("limit_up_hit", "spread")}


def test_a_sparse_column_has_its_own_limit(good: pl.DataFrame) -> None:
    """Active on a tenth of the days at least: judged on a year, and not on a month."""
    sparse = replace(CONTRACT["limit_up_hit"], min_active_share=0.1)
    contract = Contract(1, (sparse,))
    table = good.select("Date", "Code", "limit_up_hit")
    rare, rarer = (first_days(share, constant(0), "limit_up_hit")(table) for share in (0.85, 0.95))
    assert frame_problems(rare.lazy(), contract) == []
    assert {(p.rule, p.limit) for p in frame_problems(rarer.lazy(), contract)} == {("spread", "0.1")}
    dead = table.with_columns(limit_up_hit=constant(0))
    assert {p.rule for p in frame_problems(dead.lazy(), contract)} == {"spread", "constant"}
    assert frame_problems(dead.head(20 * N_STOCKS).lazy(), contract) == []


def test_warm_up_is_not_judged(good: pl.DataFrame) -> None:
    """Nulls, constants and spread count from `judge_from` on; ranges and form always."""
    later = good["Date"].unique().sort()[130]
    null = first_days(0.5, constant(0).replace(0, None), "return_5")(good)
    assert judge(null, later) == []
    assert {p.rule for p in judge(null)} == {"null_share"}
    assert {p.rule for p in judge(first_days(0.5, constant(9e9), "return_5")(good), later)} == {"range"}


@pytest.mark.parametrize("family", ["market", "margin", "events"])
def test_a_family_that_falls_silent_in_its_last_month_is_found(good: pl.DataFrame, family: str) -> None:
    """Over the whole period the share of nulls stays small; flags, which are known where nothing is, hide nothing."""
    heard = pl.col("Date") < date(2020, 9, 1)
    columns = [c.name for c in CONTRACT.columns if c.family == family and c.kind != "flag"]
    silent = good.with_columns(pl.when(heard).then(name).alias(name) for name in columns)
    problems = judge(silent.filter(pl.col("Date") <= date(2020, 9, 3)))
    told = [(p.rule, p.value) for p in problems if p.family == family]
    assert told[0] == ("family_null", "every value is null in 2020-09")
    assert {p.family for p in problems} == {family}


def test_a_contract_of_fewer_families_is_exact(good: pl.DataFrame) -> None:
    """Fewer families are no excuse for other columns."""
    some: Contract = CONTRACT.select(["market", "sector"])
    assert frame_problems(good.select("Date", "Code", *some.names).lazy(), some) == []
    assert {p.rule for p in frame_problems(good.lazy(), some)} == {"extra"}


def test_an_empty_table_keeps_its_form(good: pl.DataFrame) -> None:
    """No rows: nothing to judge but the form."""
    assert judge(good.head(0)) == []
    assert [p.rule for p in judge(good.head(0).drop("rsi_2"))] == ["missing"]
