"""Metrics, one concept per file: the day's cross-section, daily series, bootstrap, drift, trials."""

from atft_pipeline.evaluation.metrics.bootstrap import (
    bootstrap_bounds,
    mean_block,
    resampled_mean,
    resampled_sharpe,
    stationary_bootstrap,
)
from atft_pipeline.evaluation.metrics.cross_section import (
    information_coefficient,
    is_constant,
    rank_ic,
    ranks,
    residual_rank_ic,
    robust_z,
    scale,
    unit_deviations,
)
from atft_pipeline.evaluation.metrics.deflated_sharpe import deflated_sharpe_ratio, expected_maximum_sharpe
from atft_pipeline.evaluation.metrics.series import hansen_hodrick_t, icir, sharpe_ratio
from atft_pipeline.evaluation.metrics.stability import population_stability_index, psi_limit

__all__ = [
    "bootstrap_bounds",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "hansen_hodrick_t",
    "icir",
    "information_coefficient",
    "is_constant",
    "mean_block",
    "population_stability_index",
    "psi_limit",
    "rank_ic",
    "ranks",
    "resampled_mean",
    "resampled_sharpe",
    "residual_rank_ic",
    "robust_z",
    "scale",
    "sharpe_ratio",
    "stationary_bootstrap",
    "unit_deviations",
]
