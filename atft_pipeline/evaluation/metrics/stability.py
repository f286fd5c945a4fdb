"""Population stability index: whether a distribution has moved away from its reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from atft_pipeline.errors import EvaluationError

PSI_BINS = 10
PSI_FLOOR = 0.25
MIN_SHARE = 1e-4
"""An empty bin counts as this share, so that its logarithm stays finite."""


def population_stability_index(reference: ArrayLike, sample: ArrayLike, n_bins: int = PSI_BINS) -> float:
    """PSI = sum_b (q_b - p_b) ln(q_b / p_b) over quantile bins of the reference; p reference, q sample shares.

    NaN is left out on both sides. Equal quantiles (ties) are merged to one bin edge, so a flag column has two bins.

    Args:
        reference: any shape, values of the reference period; at least `n_bins` known.
        sample: any shape, values to judge; at least one known.
        n_bins: quantile bins.

    Raises:
        EvaluationError: too few known values.
    """
    p, q = (np.asarray(values, dtype=np.float64).ravel() for values in (reference, sample))
    p, q = p[np.isfinite(p)], q[np.isfinite(q)]
    if len(p) < n_bins or not len(q):
        raise EvaluationError(
            f"reference has {len(p)} known values, sample {len(q)}; n_bins = {n_bins} needs {n_bins} and 1.",
            remedy="Give a longer reference period, or fewer bins.",
        )
    edges = np.unique(np.quantile(p, np.linspace(0.0, 1.0, n_bins + 1)[1:-1]))
    shares = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) / len(x) for x in (p, q)]
    share_p, share_q = (np.maximum(share, MIN_SHARE) for share in shares)
    return float(((share_q - share_p) * np.log(share_q / share_p)).sum())


def psi_limit(n_reference: int, n_sample: int, n_bins: int = PSI_BINS) -> float:
    """Limit that sampling noise alone does not reach: max(0.25, 3 (b - 1)(1/n + 1/m)).

    Under no change the PSI has expectation (b - 1)(1/n + 1/m) to first order; n and m count independent values.
    """
    return max(PSI_FLOOR, 3.0 * (n_bins - 1) * (1.0 / n_reference + 1.0 / n_sample))
