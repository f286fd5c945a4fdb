"""Signals that need no fitting: one feature column with a sign. A model that adds nothing to them adds nothing."""

from __future__ import annotations

from collections.abc import Sequence

SIGNALS = {"reversal": "return_5", "minus_volatility": "volatility_60"}
"""Baseline -> feature column, scored with a minus sign: last week's losers, and the calm."""


def signal_columns(feature_names: Sequence[str]) -> dict[str, int]:
    """Signal -> place of its column; a signal whose family is not in the contract is left out."""
    place = {name: i for i, name in enumerate(feature_names)}
    return {signal: place[column] for signal, column in SIGNALS.items() if column in place}
