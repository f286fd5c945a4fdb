"""Statistics of masked rows against numpy and scipy, row by row."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import norm, pearsonr, rankdata
from torch import Tensor

from atft_pipeline.losses.day_rows import DayRows
from atft_pipeline.losses.rows import average_ranks, is_among_best, pearson, rank_gauss, winsorized


def table() -> tuple[Tensor, Tensor]:
    """Six rows with holes and ties."""
    values = torch.randn(6, 30).mul(3).round() / 3
    return values, torch.rand(6, 30) > 0.3


def test_ranks_share_ties_as_scipy_does() -> None:
    values, mask = table()
    found = average_ranks(values, mask)
    for row, keep, ranks in zip(values, mask, found, strict=True):
        np.testing.assert_allclose(ranks[keep], rankdata(row[keep]))
        assert ranks[~keep].abs().sum() == 0.0


def test_rank_gauss_is_the_normal_score() -> None:
    values, mask = table()
    found = rank_gauss(values, mask)
    for row, keep, scores in zip(values, mask, found, strict=True):
        share = (rankdata(row[keep]) - 0.5) / int(keep.sum())
        np.testing.assert_allclose(scores[keep], norm.ppf(share), atol=1e-5)


def test_pearson_equals_scipy() -> None:
    (a, mask), (b, _) = table(), table()
    for row, other, keep, found in zip(a, b, mask, pearson(a, b, mask), strict=True):
        np.testing.assert_allclose(found, pearsonr(row[keep], other[keep]).statistic, atol=1e-5)


def test_winsorized_equals_numpy() -> None:
    values, mask = table()
    found = winsorized(values, mask, 0.1)
    for row, keep, clipped in zip(values, mask, found, strict=True):
        low, high = np.quantile(row[keep].numpy(), [0.1, 0.9])
        np.testing.assert_allclose(clipped[keep], np.clip(row[keep].numpy(), low, high), atol=1e-6)


def test_ties_for_the_last_place_all_belong() -> None:
    values = torch.tensor([[5.0, 3.0, 3.0, 9.0, 1.0]])
    mask = torch.tensor([[True, True, True, False, True]])
    assert is_among_best(values, mask, 2).tolist() == [[True, True, True, False, False]]
    assert is_among_best(values, mask, 1).tolist() == [[True, False, False, False, False]]


def test_days_become_rows_in_any_order_of_stocks() -> None:
    rows = DayRows.of(torch.tensor([1, 0, 1, 3, 1]), 4)
    values = rows.spread(torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0]))
    found = [day[filled].tolist() for day, filled in zip(values, rows.filled, strict=True)]
    assert found == [[20.0], [10.0, 30.0, 50.0], [], [40.0]]
