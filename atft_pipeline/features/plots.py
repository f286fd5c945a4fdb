"""Pictures of a feature table."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from atft_pipeline.drawing import INK, new_figure, style

MONTHS_LABELLED = 12


def null_share_map(shares: pl.DataFrame) -> Figure:
    """Share of nulls as a heat map: families down, months across; white is none, dark is all.

    Args:
        shares: of `day_facts.null_share`.
    """
    families = [name for name in shares.columns if name != "month"]
    with style():
        figure, axes = new_figure(0.9 + 0.24 * len(families))
        values = shares.select(families).to_numpy().T
        image = axes.imshow(values, aspect="auto", cmap="Blues", vmin=0.0, vmax=1.0, interpolation="none")
        axes.set_yticks(range(len(families)), families)
        step = max(1, shares.height // MONTHS_LABELLED)
        places = np.arange(0, shares.height, step)
        axes.set_xticks(places, shares["month"].gather(places).to_list(), rotation=45, ha="right")
        axes.grid(visible=False)
        axes.set_title("Share of nulls", loc="left", color=INK)
        figure.colorbar(image, ax=axes, shrink=0.8)
    return figure
