"""The training loop: flat, in four marked sections, one for every torch model.

A killed run goes on from the checkpoint of its last epoch to the same bits on a CPU: weights, optimizer, random
streams, early stopping and history are all in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atft_pipeline.errors import PredictionCollapse, TrainingError
from atft_pipeline.losses import CompositeLoss
from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.model.heads import build_head
from atft_pipeline.settings import Settings
from atft_pipeline.training.checkpoint import (
    TensorFile,
    optimizer_tensors,
    random_states,
    restore_optimizer,
    restore_random_states,
)
from atft_pipeline.training.diagnostics import SpreadWatch, gradient_norms, require_paths
from atft_pipeline.training.early_stopping import EarlyStopping
from atft_pipeline.training.optimizer import learning_rate, make_optimizer, set_learning_rate
from atft_pipeline.training.phases import Phase, enter_phase, require_effect
from atft_pipeline.training.randomness import generator_of
from atft_pipeline.training.source import BatchSource, prefetch
from atft_pipeline.training.step import StepResult, accumulate_gradients, apply_gradients
from atft_pipeline.training.validation import validate

CHECK_STEPS = 10
"""Steps between two looks at loss and spread: each look waits for the device."""

Progress = Callable[[str, int, int], None]
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What to train on what.

    Attributes:
        name: of the fold; random streams carry it.
        model: built, on `device`.
        source: batches of the fold.
        phases: in order.
        train: training days.
        validation: days that early stopping judges by; without any, every phase takes all its epochs.
        settings: `training`, `loss`, `device`, `seed`.
        device: where tensors are computed.
        checkpoint: file to keep and to go on from; None for a run that need not survive.
        on_progress: called with (label, done, total) after each epoch.
    """

    name: str
    model: AtftGatFan
    source: BatchSource
    phases: tuple[Phase, ...]
    train: tuple[date, ...]
    validation: tuple[date, ...]
    settings: Settings
    device: torch.device
    checkpoint: Path | None = None
    on_progress: Progress | None = None


@dataclass
class _State:
    """Everything that a checkpoint has to bring back, beside the model."""

    phase: int
    epoch: int
    sampler: torch.Generator
    optimizer: torch.optim.AdamW
    stopping: EarlyStopping
    watch: SpreadWatch
    history: list[Record] = field(default_factory=list)


def train(job: Job) -> list[Record]:
    """Take the model through all phases; one record per epoch, best weights at the end of each phase.

    Raises:
        PhaseWithoutEffect: a phase changes neither output nor trainable parameters.
        PredictionCollapse: predictions lost their spread and `training.on_collapse` is "stop".
        TrainingError: the loss is not finite, or scores do not depend on their inputs.
    """
    # 1. Start: fresh, or where a killed run left off -----------------------------------------------------------------
    loss = CompositeLoss(job.settings.loss, job.source.cache.horizons)
    middle = len(job.train) // 2  # a first day may still have an empty graph
    probe = job.source.batch(job.train[middle : middle + 1]).to(job.device)
    state, resumed = _resume(job)
    total = sum(phase.epochs for phase in job.phases)

    for index in range(state.phase, len(job.phases)):
        # 2. Enter the phase: switch parts, choose what is trained, and prove that it matters -------------------------
        phase = job.phases[index]
        if not resumed:
            require_effect(job.model, job.phases, index, probe)
            require_paths(job.model, probe)
            state = _fresh(job, index, state)
        resumed = False
        source = job.source if "graph" in job.model.active else job.source.without_graph()

        # 3. Epochs: steps over shuffled days, validation, checkpoint -------------------------------------------------
        while state.epoch < phase.epochs and not state.stopping.exhausted:
            state.epoch += 1
            record: Record = {"phase": phase.name, "epoch": state.epoch} | _epoch(job, phase, state, source, loss)
            if job.validation:
                record |= validate(job.model, source, job.validation, job.settings, job.device)
                score = record[f"rank_ic_{job.settings.training.monitor_horizon}"]
                state.stopping.observe(state.epoch, score, job.model)
            state.history.append(record)
            if job.checkpoint is not None:
                _save(job, state)
            if job.on_progress is not None:
                before = sum(earlier.epochs for earlier in job.phases[:index])
                job.on_progress(f"{job.name} {phase.name}", before + state.epoch, total)

        # 4. Leave the phase with its best weights --------------------------------------------------------------------
        state.stopping.restore(job.model)
        state.history[-1] |= {"best_epoch": state.stopping.best_epoch or state.epoch}
    return state.history


def _epoch(job: Job, phase: Phase, state: _State, source: BatchSource, loss: CompositeLoss) -> Record:
    """One pass over the training days: means of the loss's parts, spread, last gradient norms."""
    training = job.settings.training
    groups = day_groups(job.train, training.days_per_batch, state.sampler)
    n_micro = -(-training.days_per_batch // training.days_per_micro_batch)
    micro_groups = [[days[i] for i in part] for days in groups for part in _parts(len(days), n_micro)]
    batches = prefetch(source, micro_groups)
    job.model.train()
    results: list[StepResult] = []
    checked = 0
    for step, days in enumerate(groups):
        rate = learning_rate(
            (state.epoch - 1) * len(groups) + step,
            phase.epochs * len(groups),
            phase.rate_factor * training.learning_rate,
            training.warmup_share,
        )
        set_learning_rate(state.optimizer, rate)
        micro_batches = list(islice(batches, len(_parts(len(days), n_micro))))
        results.append(accumulate_gradients(job.model, loss, micro_batches, job.settings, job.device))
        last = step == len(groups) - 1
        norms = gradient_norms(job.model) if last else {}
        apply_gradients(job.model, state.optimizer, training.clip_norm)
        if last or (step + 1) % CHECK_STEPS == 0:
            _look(job, phase, state, results[checked:])
            checked = len(results)
    parts = {name: torch.stack([r.parts[name] for r in results]).mean().item() for name in results[0].parts}
    return {
        "loss": parts.pop("total"),
        "parts": parts,
        "spread": state.watch.average,
        "gradient_norms": norms,
        "learning_rate": rate,
    }


def day_groups(days: Sequence[date], size: int, sampler: torch.Generator) -> list[list[date]]:
    """All days in random order, in groups of at least `size` (fewer only if there are fewer days at all).

    What does not fill a group of its own is spread over the others: a Sharpe ratio of two leftover days says nothing.
    """
    order = torch.randperm(len(days), generator=sampler).tolist()
    return [[days[order[i]] for i in part] for part in _parts(len(days), max(1, len(days) // size))]


def _parts(n: int, n_parts: int) -> list[list[int]]:
    """0 .. n-1 in `n_parts` runs of nearly equal length, without empty ones."""
    return [part.tolist() for part in np.array_split(np.arange(n), n_parts) if len(part)]


def _look(job: Job, phase: Phase, state: _State, results: Sequence[StepResult]) -> None:
    """Look at the latest steps: a finite loss, and predictions that still differ between stocks."""
    if not all(torch.isfinite(result.parts["total"]) for result in results):
        raise TrainingError(
            f"{job.name}, phase {phase.name}, epoch {state.epoch}: the loss is not finite.",
            remedy="Lower training.learning_rate, or look for infinite inputs in arrow_cache.",
        )
    state.watch.observe([result.spread.item() for result in results])
    if not state.watch.collapsed:
        return
    if job.settings.training.on_collapse == "stop":
        raise PredictionCollapse(
            f"{job.name}, phase {phase.name}, epoch {state.epoch}: the spread of predictions fell to"
            f" {state.watch.average:.2g} (largest {state.watch.largest:.2g},"
            f" training.min_spread {job.settings.training.min_spread:.2g}).",
            remedy="Look at the loss's parts and the inputs, or set training.on_collapse = 'reinitialize_head'.",
        )
    _reinitialize_head(job, state)


def _reinitialize_head(job: Job, state: _State) -> None:
    """Draw the head anew and forget its optimizer state; the epoch's place in the history says so."""
    model, settings = job.model, job.settings.model
    fresh = build_head(settings.head, settings.hidden, len(model.horizons), settings.dropout)
    model.head.load_state_dict(fresh.state_dict())
    for parameter in model.head.parameters():
        state.optimizer.state.pop(parameter, None)
    state.watch = SpreadWatch(job.settings.training.min_spread)
    state.history.append({"phase": job.phases[state.phase].name, "epoch": state.epoch, "event": "head reinitialized"})


def _fresh(job: Job, phase: int, state: _State) -> _State:
    """The state at the start of a phase: a new optimizer over what is trainable now."""
    training = job.settings.training
    return replace(
        state,
        phase=phase,
        epoch=0,
        optimizer=make_optimizer(job.model, training),
        stopping=EarlyStopping(training.patience),
        watch=SpreadWatch(training.min_spread),
    )


def _save(job: Job, state: _State) -> None:
    assert job.checkpoint is not None
    stopping = asdict(replace(state.stopping, weights={}))
    TensorFile(
        groups={
            "model": job.model.state_dict(),
            "optimizer": optimizer_tensors(state.optimizer),
            "random": random_states(device=job.device) | {"sampler": state.sampler.get_state()},
            "best": state.stopping.weights,
        },
        record={
            "phase": state.phase,
            "epoch": state.epoch,
            "history": state.history,
            "stopping": stopping,
            "watch": asdict(state.watch),
        },
    ).write(job.checkpoint)


def _resume(job: Job) -> tuple[_State, bool]:
    """The state to start from, and whether it is that of a run that was under way."""
    training = job.settings.training
    enter_phase(job.model, job.phases, 0)
    state = _State(
        phase=0,
        epoch=0,
        sampler=generator_of(job.settings.seed, job.name, "days"),
        optimizer=make_optimizer(job.model, training),
        stopping=EarlyStopping(training.patience),
        watch=SpreadWatch(training.min_spread),
    )
    if job.checkpoint is None or not job.checkpoint.exists():
        return state, False
    saved = TensorFile.read(job.checkpoint)
    state.phase, state.epoch, state.history = (saved.record[key] for key in ("phase", "epoch", "history"))
    enter_phase(job.model, job.phases, state.phase)
    job.model.load_state_dict(saved.groups["model"])
    state.optimizer = make_optimizer(job.model, training)
    restore_optimizer(state.optimizer, saved.groups["optimizer"])
    state.stopping = EarlyStopping(**saved.record["stopping"])
    state.stopping.weights = dict(saved.groups.get("best", {}))
    state.watch = SpreadWatch(**saved.record["watch"])
    state.sampler.set_state(saved.groups["random"]["sampler"])
    restore_random_states(saved.groups["random"], device=job.device)
    return state, True
