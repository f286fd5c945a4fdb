"""Ridge against scikit-learn, signals, and the run over a fold table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from atft_pipeline.baselines.inputs import day_inputs
from atft_pipeline.baselines.ridge import Moments, fit_ridge
from atft_pipeline.baselines.run import run_baselines
from atft_pipeline.baselines.signals import SIGNALS, signal_columns
from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.features.contract import CONTRACT
from atft_pipeline.sections import FoldSettings
from atft_pipeline.settings import load_settings

Floats = NDArray[np.float32]
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(80)]
CODES = [f"{1300 + i}0" for i in range(30)]
FEATURES = ("return_5", "volatility_60", "market_return")
HORIZONS = (1, 5)


@dataclass(frozen=True)
class MemoryCache:
    """The cache's interface over arrays in memory; `market_return` is a raw time-series column."""

    values: Floats
    member: NDArray[np.bool_]
    labels: Floats

    codes = tuple(CODES)
    feature_names = FEATURES
    horizons = HORIZONS

    def window(self, day: date, length: int) -> Floats:
        end = DAYS.index(day) + 1
        return self.values[end - length : end]

    def mask(self, day: date) -> NDArray[np.bool_]:
        return np.asarray(self.member[DAYS.index(day)])

    def targets(self, day: date) -> Floats:
        return np.asarray(self.labels[DAYS.index(day)])


@dataclass(frozen=True)
class Scaling:
    """An affine: the market column is centred at 2 and divided by 4."""

    center: Floats
    scale: Floats


AFFINE = Scaling(np.array([0, 0, 2], dtype=np.float32), np.array([1, 1, 4], dtype=np.float32))


def make_cache(seed: int = 1) -> MemoryCache:
    random = np.random.default_rng(seed)
    values = random.standard_normal((len(DAYS), len(CODES), len(FEATURES)))
    values[:, :, 2] = random.standard_normal((len(DAYS), 1)) * 4 + 2
    values[3, :, 2] = np.nan
    member = random.random((len(DAYS), len(CODES))) < 0.9
    labels = 0.5 * values[:, :, [0]] + random.standard_normal((len(DAYS), len(CODES), len(HORIZONS)))
    labels[random.random(labels.shape) < 0.05] = np.nan
    return MemoryCache(values.astype(np.float32), member, labels.astype(np.float32))


def table() -> FoldTable:
    settings = FoldSettings(n_folds=2, horizon=5, embargo=5, holdout=10)
    return FoldTable.build(DAYS, DAYS[:-5], settings)


def test_inputs_are_the_last_step_through_the_affine_with_zero_for_unknown() -> None:
    cache = make_cache()
    x = day_inputs(cache, DAYS[5], AFFINE)
    rows = cache.member[5]
    assert x.shape == (rows.sum(), 3)
    assert x[:, 0] == pytest.approx(cache.values[5, rows, 0])
    assert x[:, 2] == pytest.approx((cache.values[5, rows, 2] - 2) / 4)
    assert (day_inputs(cache, DAYS[3], AFFINE)[:, 2] == 0.0).all()


@pytest.mark.parametrize("alpha", [0.01, 1.0, 10.0])
def test_coefficients_equal_scikit_learn(alpha: float) -> None:
    cache, chosen = make_cache(), DAYS[:40]
    found = fit_ridge(cache, chosen, AFFINE, alpha)
    x = np.concatenate([day_inputs(cache, day, AFFINE) for day in chosen])
    y = np.concatenate([cache.targets(day)[cache.mask(day)] for day in chosen])
    for k in range(len(HORIZONS)):
        known = np.isfinite(y[:, k])
        oracle = Ridge(alpha=alpha * known.sum(), fit_intercept=False).fit(x[known], y[known, k])
        assert found[k] == pytest.approx(oracle.coef_, rel=1e-8)


def test_equal_days_give_equal_bits() -> None:
    cache = make_cache()
    assert fit_ridge(cache, DAYS[:40], AFFINE, 1.0).tobytes() == fit_ridge(cache, DAYS[:40], AFFINE, 1.0).tobytes()


def test_one_row_written_out() -> None:
    """X = 2, y = 3, alpha = 1: b = 6 / (4 + 1)."""
    moments = Moments.collect([(np.array([[2.0], [9.0]]), np.array([[3.0], [np.nan]]))], 1, 1)
    assert moments.rows.tolist() == [1]
    assert moments.solve(1.0).tolist() == [[6 / 5]]


def test_a_horizon_without_labels_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"\[1, 0\]"):
        Moments.collect([(np.ones((1, 1)), np.array([[1.0, np.nan]]))], 1, 2).solve(1.0)


def test_signals_are_named_columns_and_absent_ones_are_left_out() -> None:
    assert signal_columns(FEATURES) == {"reversal": 0, "minus_volatility": 1}
    assert signal_columns(("market_return",)) == {}
    assert set(SIGNALS) == {"reversal", "minus_volatility"}
    assert set(SIGNALS.values()) <= set(CONTRACT.names)


def test_run_scores_every_test_day_and_the_holdout_once() -> None:
    cache, folds = make_cache(), table()
    affines = dict.fromkeys(("fold_0", "fold_1", "holdout"), AFFINE)
    reports: list[tuple[str, int, int]] = []
    found = run_baselines(cache, folds, affines, load_settings("demo", environ={}), lambda *step: reports.append(step))
    assert reports == [("baselines", 1, 3), ("baselines", 2, 3), ("baselines", 3, 3)]
    assert found.columns == ["Date", "Code", "horizon", "score", "fold", "model"]
    assert found.schema["horizon"] == pl.Int32
    assert not found.select("Date", "Code", "horizon", "model").is_duplicated().any()
    for name, test in [(fold.name, fold.test) for fold in folds.folds] + [("holdout", folds.holdout)]:
        rows = found.filter(pl.col("fold") == name)
        assert set(rows["Date"]) == set(test)
        members = sum(int(cache.mask(day).sum()) for day in test)
        assert rows["model"].value_counts()["count"].to_list() == [members * len(HORIZONS)] * 3


def test_run_scores_are_ridge_and_the_negated_columns() -> None:
    cache, folds = make_cache(), table()
    settings = load_settings("demo", {"evaluation.ridge_alpha": 2.0}, environ={})
    found = run_baselines(cache, folds, dict.fromkeys(("fold_0", "fold_1", "holdout"), AFFINE), settings)
    day = folds.folds[1].test[3]
    x = day_inputs(cache, day, AFFINE)
    coefficients = fit_ridge(cache, folds.folds[1].train, AFFINE, 2.0)
    rows = found.filter((pl.col("Date") == day) & (pl.col("horizon") == 5)).sort("Code")
    members = [code for code, inside in zip(CODES, cache.mask(day), strict=True) if inside]
    for model, expected in (
        ("ridge", x @ coefficients[1]),
        ("reversal", -x[:, 0]),
        ("minus_volatility", -x[:, 1]),
    ):
        chosen = rows.filter(pl.col("model") == model)
        assert chosen["Code"].to_list() == members
        assert chosen["score"].to_numpy() == pytest.approx(expected)


def test_poisoned_test_labels_change_no_coefficient() -> None:
    """Nothing fitted sees a test, validation or holdout date."""
    cache, folds = make_cache(), table()
    fold = folds.folds[0]
    poisoned = cache.labels.copy()
    for day in (*fold.test, *fold.validation, *folds.holdout):
        poisoned[DAYS.index(day)] = 1e6
    clean, dirty = (
        fit_ridge(MemoryCache(cache.values, cache.member, labels), fold.train, AFFINE, 1.0)
        for labels in (cache.labels, poisoned)
    )
    assert clean.tobytes() == dirty.tobytes()


def test_a_missing_affine_is_named() -> None:
    with pytest.raises(EvaluationError, match="affines lacks fold_1, holdout"):
        run_baselines(make_cache(), table(), {"fold_0": AFFINE}, load_settings("demo", environ={}))
