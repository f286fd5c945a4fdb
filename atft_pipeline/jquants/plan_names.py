"""The plans of J-Quants by name."""

from __future__ import annotations

from typing import Literal

PlanName = Literal["free", "light", "standard", "premium"]
PLAN_ORDER: tuple[PlanName, ...] = ("free", "light", "standard", "premium")
"""From the cheapest; each includes what the ones before it include."""
