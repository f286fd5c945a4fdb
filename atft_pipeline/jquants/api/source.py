"""The J-Quants API as a source: refused, with reasons, until its client is part of the project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from atft_pipeline.errors import SourceError
from atft_pipeline.settings import Settings

KEY_VARIABLE = "JQUANTS_API_KEY"


def open_api(settings: Settings, environ: Mapping[str, str]) -> NoReturn:
    """Say why the API cannot be used.

    Raises:
        SourceError: always: without a key, the variable to set; with one, that this version has no client.
    """
    if not environ.get(KEY_VARIABLE):
        raise SourceError(
            f"{KEY_VARIABLE} is not set; preset {settings.preset} reads the J-Quants API V2.",
            remedy=f"Set it (export {KEY_VARIABLE}=...; the key is on the J-Quants dashboard), or use --preset demo.",
        )
    raise SourceError(
        f"preset {settings.preset}: {KEY_VARIABLE} is set, but the API client is not part of this version.",
        remedy="Use --preset demo, or --preset tse --source DIR with files in V2 columns.",
    )
