"""From settings and contract to a network."""

from __future__ import annotations

import torch

from atft_pipeline.errors import ModelError
from atft_pipeline.features.contract import Contract
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.model.layout import InputLayout
from atft_pipeline.settings import Settings


def build_model(settings: Settings, contract: Contract) -> AtftGatFan:
    """A new network for a contract; same settings and contract, same weights.

    Weights are drawn from `settings.seed` with the global random state left as it was. The input width is fixed
    here, from the contract, and never again.

    Raises:
        ModelError: unknown `model.name`, or a part that cannot be built for this contract.
    """
    if settings.model.name != "atft_gat_fan":
        raise ModelError(f"model.name = {settings.model.name!r} is unknown.", remedy="Use atft_gat_fan.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return AtftGatFan(settings.model, InputLayout.of(contract), settings.targets.horizons)
