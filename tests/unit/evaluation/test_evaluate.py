"""The evaluation artefact on tables with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.evaluate import Evaluation, evaluate
from atft_pipeline.evaluation.metrics import hansen_hodrick_t, sharpe_ratio
from atft_pipeline.evaluation.panel import dense
from tests.unit.evaluation.builders import days, long_table, predictions_table, settings, targets_table

N_DAYS, N_CODES = 60, 40
RANDOM = np.random.default_rng(8)
RETURNS = {h: 0.02 * np.sqrt(h) * RANDOM.standard_normal((N_DAYS, N_CODES)) for h in (1, 5)}
NOISE = RANDOM.standard_normal((N_DAYS, N_CODES))
VOLATILITY = long_table(np.abs(RANDOM.standard_normal((N_DAYS, N_CODES))), "volatility")


def row(evaluation: Evaluation, model: str, **where: object) -> dict[str, object]:
    wanted = {"horizon": 1, "entry": "next_open", "flagged": "included", "fold": "out_of_fold", "model": model} | where
    found = evaluation.summary.filter(*(pl.col(name) == value for name, value in wanted.items()))
    assert len(found) == 1
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def result() -> Evaluation:
    constant = NOISE.copy()
    constant[10] = 0.25
    scores = {"perfect": RETURNS[1], "noise": NOISE, "constant_day": constant}
    return evaluate(predictions_table(scores), targets_table(RETURNS), VOLATILITY, settings())


def test_a_perfect_forecast_has_rank_ic_one_in_every_fold(result: Evaluation) -> None:
    for fold in ("out_of_fold", "fold_0", "fold_1"):
        found = row(result, "perfect", fold=fold)
        assert found["rank_ic"] == pytest.approx(1.0)
        assert found["ic"] == pytest.approx(1.0)
        assert found["hit_rate"] == 1.0
        assert found["coverage"] == 1.0
    assert row(result, "perfect")["days"] == 60
    assert row(result, "perfect", fold="fold_1")["days"] == 30


def test_noise_equals_scipy_and_the_series_functions(result: Evaluation) -> None:
    daily = [stats.spearmanr(s, y).statistic for s, y in zip(NOISE, RETURNS[5], strict=True)]
    found = row(result, "noise", horizon=5)
    assert found["rank_ic"] == pytest.approx(np.mean(daily))
    assert found["rank_ic_t"] == pytest.approx(hansen_hodrick_t(daily, 5))
    assert found["icir"] == pytest.approx(np.mean(daily) / np.std(daily, ddof=1))
    assert found["hit_rate"] == pytest.approx(np.mean(np.array(daily) > 0))
    low, high = found["rank_ic_low"], found["rank_ic_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < np.mean(daily) < high


def test_sharpe_ratio_is_that_of_the_ends_of_the_ranking(result: Evaluation) -> None:
    order = np.argsort(NOISE, axis=1)
    ends = [RETURNS[5][day, o[-4:]].mean() - RETURNS[5][day, o[:4]].mean() for day, o in enumerate(order)]
    assert row(result, "noise", horizon=5)["sharpe_gross"] == pytest.approx(sharpe_ratio(ends, 5))
    net = row(result, "noise", horizon=5)["sharpe_net"]
    assert isinstance(net, float)
    assert net < sharpe_ratio(ends, 5)


def test_a_constant_day_is_counted_apart_and_not_as_zero(result: Evaluation) -> None:
    found, without = row(result, "constant_day"), row(result, "noise")
    assert (found["days"], found["constant_days"]) == (59, 1)
    assert (without["days"], without["constant_days"]) == (60, 0)
    daily = [stats.spearmanr(s, y).statistic for s, y in zip(NOISE, RETURNS[1], strict=True)]
    assert found["rank_ic"] == pytest.approx(np.mean(np.delete(daily, 10)))


def test_deciles_of_a_perfect_forecast_ascend(result: Evaluation) -> None:
    rows = result.deciles.filter(
        pl.col("model") == "perfect", pl.col("horizon") == 1, pl.col("entry") == "close", pl.col("fold") == "fold_0"
    )
    assert rows["decile"].to_list() == list(range(1, 11))
    assert rows["return"].is_sorted()


def test_without_flagged_rows_is_as_if_they_had_no_score() -> None:
    """Only days with a flagged row are judged again; the figures are those of a forecast that lacks these rows."""
    flagged = np.zeros((N_DAYS, N_CODES), dtype=bool)
    flagged[[7, 7, 30], [3, 9, 0]] = True
    whole, lacking = (
        evaluate(predictions_table({"noise": scores}), targets_table(RETURNS, flagged), VOLATILITY, settings()).daily
        for scores in (NOISE, np.where(flagged, np.nan, NOISE))
    )
    excluded, included = whole.filter(flagged="excluded"), lacking.filter(flagged="included")
    assert excluded.drop("flagged").equals(included.drop("flagged"))
    assert not excluded.drop("flagged").equals(whole.filter(flagged="included").drop("flagged"))


def test_flagged_rows_can_be_taken_out() -> None:
    """Rows that left at a stale price carry absurd returns; without them the forecast is perfect."""
    flagged = np.zeros((N_DAYS, N_CODES), dtype=bool)
    flagged[:, 3] = True
    returns = {1: np.where(flagged, -RETURNS[1] * 100, RETURNS[1])}
    predictions = predictions_table({"perfect": RETURNS[1]}, horizons=(1,))
    found = evaluate(predictions, targets_table(returns, flagged), VOLATILITY, settings())
    assert row(found, "perfect", flagged="excluded")["rank_ic"] == pytest.approx(1.0)
    included = row(found, "perfect")["rank_ic"]
    assert isinstance(included, float)
    assert included < 0.99
    assert found.facts["flagged_rows"]["1"] == {"rows": 2400, "stale_exit": 60, "delisted": 0, "unknown": 0}


def test_the_holdout_is_kept_out_of_the_pooled_figures_and_a_gap_starts_from_cash() -> None:
    scores = RETURNS[1].copy()
    scores[40:45] = np.nan
    predictions = predictions_table({"perfect": scores}, horizons=(1,), n_folds=1).with_columns(
        fold=pl.when(pl.col("Date") >= days(46)[-1]).then(pl.lit("holdout")).otherwise("fold")
    )
    found = evaluate(predictions, targets_table(RETURNS), VOLATILITY, settings())
    assert row(found, "perfect")["days"] == 40
    assert row(found, "perfect", fold="holdout")["days"] == 15
    first = found.daily.filter(pl.col("fold") == "holdout", pl.col("flagged") == "included").sort("entry", "Date")
    assert first["turnover"][0] == pytest.approx(1.0)


def test_days_of_few_stocks_have_no_figures() -> None:
    few = {1: RETURNS[1][:, :19]}
    found = evaluate(predictions_table({"m": NOISE[:, :19]}, (1,)), targets_table(few), VOLATILITY, settings())
    assert row(found, "m")["days"] == 0
    assert row(found, "m")["rank_ic"] is None


def test_unknown_targets_are_left_out_and_coverage_tells_of_missing_scores() -> None:
    returns, scores = {1: RETURNS[1].copy()}, RETURNS[1].copy()
    returns[1][:, :5] = np.nan
    scores[:, 35:] = np.nan
    found = evaluate(predictions_table({"m": scores}, (1,)), targets_table(returns), VOLATILITY, settings())
    assert row(found, "m")["names"] == 30
    assert row(found, "m")["coverage"] == pytest.approx(35 / 40)
    assert row(found, "m")["rank_ic"] == pytest.approx(1.0)


def test_shuffled_rows_give_the_same_bytes_and_files_come_back(tmp_path: Path, result: Evaluation) -> None:
    predictions = predictions_table({"perfect": RETURNS[1], "noise": NOISE})
    targets = targets_table(RETURNS)
    folders = []
    for seed, name in ((1, "a"), (2, "b")):
        folder = tmp_path / name
        folder.mkdir()
        shuffled = [table.sample(fraction=1.0, shuffle=True, seed=seed) for table in (predictions, targets, VOLATILITY)]
        evaluate(shuffled[0], shuffled[1], shuffled[2], settings()).with_report("<p>").save(folder)
        folders.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert folders[0] == folders[1]
    assert set(folders[0]) == {
        "summary.parquet",
        "daily.parquet",
        "deciles.parquet",
        "evaluation.json",
        "report.html",
    }
    back = Evaluation.load(tmp_path / "a")
    assert back.report == "<p>"
    assert back.facts["models"] == ["noise", "perfect"]
    assert row(back, "noise") == row(result, "noise")


def test_headline_is_the_networks_row_with_nan_for_unknown() -> None:
    scores = {"atft_gat_fan": RETURNS[5], "noise": NOISE}
    found = evaluate(predictions_table(scores), targets_table(RETURNS), VOLATILITY, settings())
    assert found.headline()["rank_ic"] == pytest.approx(1.0)
    assert found.headline()["days"] == 60
    assert "model" not in found.headline()
    few = {h: values[:, :5] for h, values in RETURNS.items()}
    scores = {"atft_gat_fan": NOISE[:, :5]}
    unknown = evaluate(predictions_table(scores), targets_table(few), VOLATILITY, settings()).headline()
    assert np.isnan(unknown["rank_ic_low"])


def test_headline_without_the_network_is_refused(result: Evaluation) -> None:
    with pytest.raises(EvaluationError, match="no row of atft_gat_fan at horizon 5"):
        result.headline()


def test_refusals() -> None:
    predictions = predictions_table({"m": NOISE}, (1,))
    targets = targets_table(RETURNS)
    with pytest.raises(EvaluationError, match="no rows"):
        evaluate(predictions.clear(), targets, VOLATILITY, settings())
    twice = pl.concat([predictions, predictions.with_columns(fold=pl.lit("other"))])
    with pytest.raises(EvaluationError, match="more than one fold"):
        evaluate(twice, targets, VOLATILITY, settings())
    with pytest.raises(EvaluationError, match=r"repeat a \(Date, Code\)"):
        dense(pl.concat([VOLATILITY, VOLATILITY[:3]]), "volatility", days(N_DAYS), ["13000", "13010", "13020"])
