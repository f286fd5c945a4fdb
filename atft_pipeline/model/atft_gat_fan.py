"""ATFT-GAT-FAN: feature groups, adaptive norm, temporal encoder, graph attention and heads, put together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from atft_pipeline.errors import ModelError
from atft_pipeline.model.adaptive_norm import build_adaptive_norm
from atft_pipeline.model.adaptive_norm_branch import NORM_GROUPS, AdaptiveNormBranch
from atft_pipeline.model.graph import BatchGraph
from atft_pipeline.model.graph_attention import GraphEncoder
from atft_pipeline.model.heads import build_head
from atft_pipeline.model.layout import InputLayout
from atft_pipeline.model.prediction import Prediction
from atft_pipeline.model.temporal_encoder import TemporalEncoder
from atft_pipeline.model.variable_selection import GroupBank, VariableSelection
from atft_pipeline.sections import ModelSettings


class AtftGatFan(nn.Module):
    """The network. One forward pass scores every stock of one day, or of several days laid side by side along N.

    Nothing mixes stocks except the graph's edges, and no statistic crosses days or stocks, so several days at
    once are exact. Masked steps (young listings, halts) are cut to 0 on entry; see the parts for their rule.

    Args:
        settings: the section `model`.
        layout: where the families and the return-like columns lie.
        horizons: the K horizons in sessions.
    """

    def __init__(self, settings: ModelSettings, layout: InputLayout, horizons: tuple[int, ...]) -> None:
        super().__init__()
        hidden, graph = settings.hidden, settings.graph
        self.layout = layout
        self.horizons = horizons
        self.length = settings.window
        self.bank = GroupBank(layout.widths, hidden)
        self.selection = VariableSelection(hidden)
        norm = build_adaptive_norm(settings.fan, len(layout.return_like), settings.window)
        self.adaptive_norm = None if norm is None else AdaptiveNormBranch(norm, settings, layout, horizons)
        self.encoder = TemporalEncoder(hidden, settings.attention_heads, settings.dropout)
        # What happened today reaches the state without passing gates and norms: a linear signal is learnt at once.
        self.last_step = nn.Linear(layout.width + len(layout.families), hidden)
        self.graph = (
            GraphEncoder(
                hidden,
                layout.width,
                layers=graph.layers,
                heads=graph.heads,
                gate=graph.gate,
                edge_dropout=graph.edge_dropout,
                drop_path=graph.drop_path,
            )
            if graph.enabled
            else None
        )
        self.head = build_head(settings.head, hidden, len(horizons), settings.dropout)
        self._active = self.parts

    @property
    def parts(self) -> frozenset[str]:
        """The parts that this model has and that can be switched: of "adaptive_norm" and "graph"."""
        built = {"adaptive_norm": self.adaptive_norm, "graph": self.graph}
        return frozenset(name for name, part in built.items() if part is not None)

    @property
    def active(self) -> frozenset[str]:
        """The parts that take part in `forward`; all of them after building."""
        return self._active

    def activate(self, parts: frozenset[str]) -> None:
        """Switch exactly these parts on; any other is bypassed, not computed and gets no gradient.

        The set is not among the weights: save `sorted(model.active)` beside them.

        Raises:
            ModelError: a part that this model does not have.
        """
        unknown = sorted(parts - self.parts)
        if unknown:
            raise ModelError(
                f"parts = {sorted(parts)}: this model has no {', '.join(unknown)}, only {sorted(self.parts)}.",
                remedy="Leave the phase out, or enable the part in model.fan.kind or model.graph.enabled.",
            )
        self._active = frozenset(parts)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the columns of `Prediction.selection`, given the active parts."""
        return self.layout.families + (NORM_GROUPS if "adaptive_norm" in self.active else ())

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every parameter once, under "base", "adaptive_norm", "graph" or "head"; a part not built is empty."""
        groups: dict[str, list[nn.Parameter]] = {"base": [], "adaptive_norm": [], "graph": [], "head": []}
        for name, parameter in self.named_parameters():
            owner = name.partition(".")[0]
            groups[owner if owner in groups else "base"].append(parameter)
        return groups

    def forward(
        self, x: Tensor, mask: Tensor, graph: BatchGraph | None, family_mask: Tensor | None = None
    ) -> Prediction:
        """Scores of every stock.

        Args:
            x: [L, N, F] normalized features, 0 where unknown.
            mask: bool [L, N], False where the stock has no row.
            graph: the batch's graph; may be None only if the graph is not built or not active.
            family_mask: bool [L, N, G], False where a family is unknown; by default known at every valid step.

        Raises:
            ModelError: an input of another width or length than the model was built for, or no graph.
        """
        self._check(x, mask)
        known = mask.unsqueeze(-1)
        # where, not a product: a NaN of a masked step must not survive.
        x = torch.where(known, x, 0.0)
        families = known.expand(-1, -1, len(self.layout.families)) if family_mask is None else family_mask & known
        families = families.to(x.dtype)
        banks = [self.bank(x, families)]
        norm = None
        if self.adaptive_norm is not None and "adaptive_norm" in self.active:
            norm = self.adaptive_norm(x, mask)
            banks.append(norm.candidates)
        selected, weights = self.selection(banks)
        state = self.encoder(selected, mask) + self.last_step(torch.cat([x[-1], families[-1]], dim=-1))
        if self.graph is not None and "graph" in self.active:
            state = self.graph(state, x[-1], self._graph(graph, x.shape[1]))
        scores, quantiles = self.head(state)
        if norm is not None:
            scores = scores + norm.scores
        return Prediction(
            dict(zip(self.horizons, scores.unbind(1), strict=True)),
            selection=weights[-1],
            quantiles={} if quantiles is None else dict(zip(self.horizons, quantiles.unbind(1), strict=True)),
            levels=self.head.levels,
            path=None if norm is None else norm.path,
        )

    def _graph(self, graph: BatchGraph | None, n_stocks: int) -> BatchGraph:
        if graph is None:
            raise ModelError(
                "graph = None, but the model's graph attention is active.",
                remedy="Give the batch's graph, deactivate the part, or set model.graph.enabled = false.",
            )
        return graph.checked(n_stocks)

    def _check(self, x: Tensor, mask: Tensor) -> None:
        if x.shape[-1] != self.layout.width:
            raise ModelError(
                f"x has {x.shape[-1]} columns, but the model was built for a contract of {self.layout.width}.",
                remedy="Load the model that belongs to this contract, or train one for it.",
            )
        if x.ndim != 3 or x.shape[0] != self.length or mask.shape != x.shape[:2]:
            raise ModelError(
                f"x has shape {tuple(x.shape)} and mask {tuple(mask.shape)}, expected [L, N, F] and [L, N] with"
                f" L = {self.length}.",
                remedy="Read windows of model.window sessions, time first.",
            )
