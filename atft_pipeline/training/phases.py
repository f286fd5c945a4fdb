"""The phases of training: what each switches on, what it holds still, and the proof that it changes something."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atft_pipeline.errors import PhaseWithoutEffect, TrainingError
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.sections import PhaseEpochs
from atft_pipeline.settings import Settings
from atft_pipeline.training.batch import Batch


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Attributes:
        name: also the key of its epochs in the settings.
        adds: parts of the model that it switches on; those of earlier phases stay on.
        frozen: parameter groups that it holds still. A part that is off is never trained.
        epochs: most epochs, or exactly this many without validation.
        rate_factor: multiplies the learning rate.
    """

    name: str
    adds: frozenset[str]
    frozen: frozenset[str]
    epochs: int
    rate_factor: float = 1.0


def phases_for(settings: Settings, epochs: PhaseEpochs | None = None) -> tuple[Phase, ...]:
    """Phases in order: baseline, adaptive_norm, gat, finetune.

    A part that the model does not have has no phase, nor has one with 0 epochs. New channel groups are learned under
    the baseline's head, so scores keep their meaning; graph attention is learned on states that stand still, which
    also spares the way back through the encoder; finetune then trains everything together at a lower rate. Where
    nothing was held still, there is nothing for finetune to join, and it is left out.

    Args:
        settings: `model`, `training`.
        epochs: epochs per phase in place of `training.epochs`.
    """
    given = epochs or settings.training.epochs
    phases = [Phase("baseline", frozenset(), frozenset(), given.baseline)]
    if settings.model.fan.kind != "none":
        added = frozenset({"adaptive_norm"})
        phases.append(Phase("adaptive_norm", added, frozenset({"head"}), given.adaptive_norm))
    if settings.model.graph.enabled:
        added = frozenset({"graph"})
        phases.append(Phase("gat", added, frozenset({"base", "adaptive_norm"}), given.gat))
    phases = [phase for phase in phases if phase.epochs > 0]
    if any(phase.frozen for phase in phases) and given.finetune > 0:
        factor = settings.training.finetune_factor
        phases.append(Phase("finetune", frozenset(), frozenset(), given.finetune, factor))
    if not phases:
        raise TrainingError("training.epochs is 0 in every phase.", remedy="Give at least one phase an epoch.")
    return tuple(phases)


def active_parts(phases: tuple[Phase, ...], index: int) -> frozenset[str]:
    """Parts that are on in phase `index`."""
    return frozenset().union(*(phase.adds for phase in phases[: index + 1]))


def enter_phase(model: AtftGatFan, phases: tuple[Phase, ...], index: int) -> None:
    """Switch the model's parts and choose its trainable parameters for phase `index`."""
    parts = active_parts(phases, index)
    model.activate(parts)
    off = model.parts - parts
    for group, parameters in model.parameter_groups().items():
        trainable = group not in off and group not in phases[index].frozen
        for parameter in parameters:
            parameter.requires_grad_(trainable)


def require_effect(model: AtftGatFan, phases: tuple[Phase, ...], index: int, batch: Batch) -> None:
    """Enter phase `index` and prove that the model or its trainable set differs from the phase before.

    Outputs are compared in eval mode on one batch; the first phase has nothing before it and always counts.

    Raises:
        PhaseWithoutEffect: neither an output nor the set of trainable parameters changed.
    """
    if index == 0:
        enter_phase(model, phases, 0)
        return
    enter_phase(model, phases, index - 1)
    output_before, trainable_before = _fingerprint(model, batch)
    enter_phase(model, phases, index)
    output, trainable = _fingerprint(model, batch)
    if torch.equal(output_before, output) and trainable_before == trainable:
        raise PhaseWithoutEffect(
            f"phase = {phases[index].name!r}: outputs and the {len(trainable)} trainable parameters are those of"
            f" {phases[index - 1].name!r}.",
            remedy="Leave the phase out (epochs = 0), or let it switch on or release something.",
        )


def _fingerprint(model: AtftGatFan, batch: Batch) -> tuple[torch.Tensor, frozenset[str]]:
    """Scores [K, N] in eval mode, and the names of the trainable parameters."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        prediction = model(batch.x, batch.mask, batch.graph, batch.family_mask)
    model.train(was_training)
    trainable = frozenset(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    return torch.stack(list(prediction.values())), trainable
