"""Settings as a Dagster resource: the process's structure, and values that run config may change."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import Field

from atft_pipeline.errors import SettingsError
from atft_pipeline.needs import require_endpoints
from atft_pipeline.settings import STRUCTURE, Settings, flatten, load_settings
from resources.structure import process_overrides, structure


class SettingsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Model, loss, training, evaluation and device values of one run.

    Structure (source, period, families, folds, store) is fixed when the code location loads; changing it here is
    refused, since partitions and assets were already made from it.
    """

    overrides: dict[str, Any] = Field(
        default={}, description='Dotted keys and values, e.g. {"model.graph.enabled": false, "training.patience": 5}'
    )

    def load(self) -> Settings:
        """The settings of this run.

        Raises:
            SettingsError: a key of the structure, or anything that `load_settings` refuses.
            EndpointMissing: the graph is switched on, and the source lacks what it is made of.
        """
        changes = flatten(self.overrides)
        for key, value in changes.items():
            if key.split(".")[0] in STRUCTURE:
                raise SettingsError(
                    f"{key} = {value!r} in run config: {key.split('.')[0]} is fixed when the code location loads.",
                    remedy=f"Start the location with it: atft run --set {key}={value}, or"
                    f" ATFT_{key.upper().replace('.', '__')}={value} in the environment.",
                )
        fixed = structure().settings
        settings = load_settings(fixed.preset, {**flatten(process_overrides()), **changes})
        settings = settings.model_copy(update={section: getattr(fixed, section) for section in STRUCTURE})
        require_endpoints(settings, structure().source.endpoints)
        return settings
