"""The settings of the tests' market: small enough for seconds, large enough for every stage to have work."""

from __future__ import annotations

import json

TINY: dict[str, object] = {
    "source.simulator.n_codes": 160,
    "source.simulator.n_sessions": 680,
    "period.sessions": 150,
    "universe.min_trading_value": 0.0,
    "features.families": ["technical", "volatility", "liquidity", "market", "cross_market", "sector"],
    "targets.horizons": [1, 5],
    "folds.n_folds": 2,
    "folds.horizon": 5,
    "folds.embargo": 5,
    "folds.holdout": 20,
    "model.window": 8,
    "model.hidden": 16,
    "model.fan.path": 5,
    **{f"training.epochs.{phase}": 1 for phase in ("baseline", "adaptive_norm", "gat", "finetune")},
    "evaluation.bootstrap_samples": 100,
}


def assignments(settings: dict[str, object]) -> list[str]:
    """Settings as `--set` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]
