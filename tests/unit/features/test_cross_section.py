"""Ranks and quintiles of a day, for every size of a day."""

from __future__ import annotations

import numpy as np
import pytest

from atft_pipeline.features.cross_section import quintile


@pytest.mark.parametrize("n", [1, 4, 5, 7, 105, 117, 246, 830, 1000])
def test_quintiles_hold_a_fifth_each_and_never_leave_one_to_five(n: int) -> None:
    """At 105 members, 5 * 105 * (1 / 105) is above 5."""
    ranks = np.arange(1, n + 1)
    expected = [-(-5 * rank // n) for rank in ranks.tolist()]  # the ceiling, in whole numbers
    found = quintile(ranks[None].astype(np.float64), np.ones((1, n), dtype=np.bool_))
    assert found[0].tolist() == expected


def test_strangers_and_unknown_values_have_no_quintile() -> None:
    values = np.array([[1.0, 2.0, np.nan, 4.0, 99.0]])
    member = np.array([[True, True, True, True, False]])
    assert quintile(values, member)[0].tolist() == pytest.approx([2.0, 4.0, np.nan, 5.0, np.nan], nan_ok=True)
