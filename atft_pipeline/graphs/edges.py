"""What an edge knows about its two stocks: six numbers per edge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from atft_pipeline.graphs.correlation import unit_columns, weighted_deviations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EDGE_FEATURES = ("rho", "same_s33", "same_s17", "volatility_similarity", "sector_residual_rho", "size_similarity")


def edge_features(
    pairs: Ints,
    rho: Floats,
    returns: Floats,
    s33: npt.NDArray[np.str_],
    s17: npt.NDArray[np.str_],
    values: Floats,
    half_life: float,
    shrinkage: float,
) -> npt.NDArray[np.float32]:
    """Features [P, 6] of pairs of stocks, in the order of `EDGE_FEATURES`; every one is symmetric in its two stocks.

    - rho: shrunk weighted correlation of market-residual returns.
    - same_s33, same_s17: 1 if both stocks have this industry or sector; unknown ("") equals nothing.
    - volatility_similarity: exp(-|vol_i - vol_j| / sigma), sigma the standard deviation of vol over the stocks.
    - sector_residual_rho: shrunk weighted correlation after the leave-one-out mean of the stock's industry is removed.
    - size_similarity: exp(-|ln value_i - ln value_j|).

    A similarity of something unknown is 0.

    Args:
        pairs: [2, P] positions of the stocks.
        rho: [N, N] from `weighted_correlation`.
        returns: [T, N] market-residual returns, NaN = no observation.
        s33: [N] industry, "" if unknown.
        s17: [N] sector, "" if unknown.
        values: [N] median trading value in yen, NaN if unknown.
        half_life: of the weights, in sessions.
        shrinkage: factor on correlations.
    """
    i, j = pairs
    volatility = weighted_deviations(returns, half_life)[1]
    spread = float(np.nanstd(volatility)) if np.isfinite(volatility).any() else 0.0
    unit = unit_columns(weighted_deviations(sector_residual(returns, s33), half_life)[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        log_value = np.where(values > 0, np.log(values), np.nan)
    features = np.stack(
        [
            rho[i, j],
            (s33[i] == s33[j]) & (s33[i] != ""),
            (s17[i] == s17[j]) & (s17[i] != ""),
            np.exp(-np.abs(volatility[i] - volatility[j]) / max(spread, 1e-12)),
            shrinkage * np.einsum("tp,tp->p", unit[:, i], unit[:, j]),
            np.exp(-np.abs(log_value[i] - log_value[j])),
        ],
        axis=1,
    )
    return np.asarray(np.nan_to_num(features, nan=0.0), dtype=np.float32)


def sector_residual(returns: Floats, sectors: npt.NDArray[np.str_]) -> Floats:
    """Returns minus the mean of the OTHER stocks of the same sector on the same session.

    Formula: e_it = r_it - (sum_s r_st - r_it) / (n_st - 1) over the known stocks s of i's sector. A stock that is alone
    in its sector on a session, or has none (""), keeps its return.

    Args:
        returns: [T, N], NaN = no observation, which stays NaN.
        sectors: [N].
    """
    residual = returns.copy()
    known = np.isfinite(returns)
    filled = np.where(known, returns, 0.0)
    for sector in np.unique(sectors[sectors != ""]):
        members = sectors == sector
        others = known[:, members].sum(axis=1, keepdims=True) - 1
        total = filled[:, members].sum(axis=1, keepdims=True)
        mean = (total - filled[:, members]) / np.maximum(others, 1)
        residual[:, members] -= np.where(others > 0, mean, 0.0)
    return residual
