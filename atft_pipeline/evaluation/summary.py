"""From daily figures to one row per model, horizon, entry and fold, each mean beside its error bars."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.evaluation.fold_table import HOLDOUT
from atft_pipeline.evaluation.metrics import (
    bootstrap_bounds,
    hansen_hodrick_t,
    icir,
    resampled_mean,
    sharpe_ratio,
)

OUT_OF_FOLD = "out_of_fold"
"""The test blocks of all folds in one series; the holdout is no part of it."""

GROUP = ("model", "horizon", "entry", "flagged")


def summarize(daily: pl.DataFrame, *, samples: int, seed: int) -> pl.DataFrame:
    """One row per model, horizon, entry, flagged and fold, with `out_of_fold` for all test blocks together.

    Args:
        daily: `scoring.daily_metrics`' first table.
        samples: resamples of the stationary block bootstrap.
        seed: of the bootstrap.

    Returns:
        GROUP, fold, days (with a RankIC), constant_days, names and coverage (means a day), rank_ic with rank_ic_t
        (Hansen-Hodrick), rank_ic_low and rank_ic_high (95% bootstrap), residual_rank_ic with its t, ic, icir (of the
        daily RankIC), hit_rate (share of days with RankIC > 0), scale, sharpe_gross, sharpe_net (annualized,
        sqrt(252 / h)), net_t, turnover (one way, per h sessions). Null = unknown.
    """
    rows = []
    for key, group in daily.sort(*GROUP, "Date").group_by(GROUP, maintain_order=True):
        inside = group.filter(pl.col("fold") != HOLDOUT)
        series = {OUT_OF_FOLD: inside} if len(inside) else {}
        series |= {str(fold): group.filter(pl.col("fold") == fold) for fold in group["fold"].unique().sort()}
        for fold, days in series.items():
            rows.append(dict(zip(GROUP, key, strict=True)) | {"fold": fold} | _row(days, samples, seed))
    counts = {"horizon": pl.Int32, "days": pl.Int64, "constant_days": pl.Int64}
    frame = pl.DataFrame(rows, schema_overrides=counts, infer_schema_length=None)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _row(days: pl.DataFrame, samples: int, seed: int) -> dict[str, float | int]:
    horizon = int(days["horizon"][0])
    rank_ic, residual, net = (_array(days, name) for name in ("rank_ic", "residual_rank_ic", "net"))
    low, high = bootstrap_bounds(rank_ic, resampled_mean, horizon=horizon, samples=samples, seed=seed)
    known = rank_ic[np.isfinite(rank_ic)]
    return {
        "days": len(known),
        "constant_days": int(days["constant"].sum()),
        "names": _mean(_array(days, "names")),
        "coverage": _mean(_array(days, "coverage")),
        "rank_ic": _mean(rank_ic),
        "rank_ic_t": hansen_hodrick_t(rank_ic, horizon),
        "rank_ic_low": low,
        "rank_ic_high": high,
        "residual_rank_ic": _mean(residual),
        "residual_rank_ic_t": hansen_hodrick_t(residual, horizon),
        "ic": _mean(_array(days, "ic")),
        "icir": icir(rank_ic),
        "hit_rate": float((known > 0.0).mean()) if len(known) else float("nan"),
        "scale": _mean(_array(days, "scale")),
        "sharpe_gross": sharpe_ratio(_array(days, "gross"), horizon),
        "sharpe_net": sharpe_ratio(net, horizon),
        "net_t": hansen_hodrick_t(net, horizon),
        "turnover": _mean(_array(days, "turnover")),
    }


def _array(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
