"""A small network and small inputs for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from atft_pipeline.model import AtftGatFan, BatchGraph, InputLayout
from atft_pipeline.settings import load_settings

LENGTH = 8
LAYOUT = InputLayout(families=("prices", "volume", "market"), widths=(4, 2, 3), return_like=(0, 2))
NO_NORM = '"none"'
"""As a TOML value: the bare word none means null in an override."""

N_GROUPS = len(LAYOUT.families)


def network(overrides: Mapping[str, Any] | None = None, seed: int = 0) -> AtftGatFan:
    """A network of hidden width 8 in eval mode, all parts on."""
    given = {"model.window": LENGTH, "model.hidden": 8, "model.graph.heads": 2, "model.attention_heads": 2}
    settings = load_settings("demo", given | dict(overrides or {}), environ={})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AtftGatFan(settings.model, LAYOUT, settings.targets.horizons).eval()


def inputs(n_stocks: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features [L, N, F], mask [L, N] with late listings and halts but a valid last step, family mask [L, N, G]."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(LENGTH, n_stocks, LAYOUT.width, generator=g)
    mask = torch.rand(LENGTH, n_stocks, generator=g) > 0.2
    mask[-1] = True
    family_mask = torch.rand(LENGTH, n_stocks, N_GROUPS, generator=g) > 0.1
    return x, mask, family_mask


def ring(n_stocks: int, n_nodes: int = 1, seed: int = 0) -> BatchGraph:
    """Each stock joined with the next one and with the first hierarchy node, both ways."""
    stock = torch.arange(n_stocks)
    node = torch.full_like(stock, n_stocks)
    pairs = torch.stack([torch.cat([stock, stock]), torch.cat([(stock + 1) % n_stocks, node])])
    edges = torch.cat([pairs, pairs.flip(0)], dim=1)
    attr = torch.randn(edges.shape[1], 6, generator=torch.Generator().manual_seed(seed))
    return BatchGraph(edges, attr, n_stocks, n_stocks + n_nodes)
