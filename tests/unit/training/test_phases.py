"""Phases: in order, left out where the model lacks the part, and never without effect."""

from __future__ import annotations

import pytest

from atft_pipeline.errors import PhaseWithoutEffect, TrainingError
from atft_pipeline.model import AtftGatFan
from atft_pipeline.sections import PhaseEpochs
from atft_pipeline.training.phases import Phase, active_parts, enter_phase, phases_for, require_effect
from tests.unit.cache.world import small_settings
from tests.unit.training.lab import lab


def trainable(model: AtftGatFan) -> set[str]:
    return {
        name
        for name, parameters in model.parameter_groups().items()
        if parameters and all(parameter.requires_grad for parameter in parameters)
    }


def test_all_phases_in_order() -> None:
    phases = phases_for(small_settings())
    assert [phase.name for phase in phases] == ["baseline", "adaptive_norm", "gat", "finetune"]
    assert [phase.epochs for phase in phases] == [2, 1, 2, 1]
    assert [phase.rate_factor for phase in phases] == [1.0, 1.0, 1.0, 0.3]


def test_what_each_phase_switches_on_and_trains() -> None:
    model, phases = lab().model(), phases_for(small_settings())
    seen = []
    for index in range(4):
        enter_phase(model, phases, index)
        seen.append((set(model.active), trainable(model)))
    assert seen == [
        (set(), {"base", "head"}),
        ({"adaptive_norm"}, {"base", "adaptive_norm"}),
        ({"adaptive_norm", "graph"}, {"graph", "head"}),
        ({"adaptive_norm", "graph"}, {"base", "adaptive_norm", "graph", "head"}),
    ]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"model__graph__enabled": False}, ["baseline", "adaptive_norm", "finetune"]),
        ({"model__fan__kind": '"none"'}, ["baseline", "gat", "finetune"]),
        ({"model__fan__kind": '"none"', "model__graph__enabled": False}, ["baseline"]),
        ({"training__epochs__gat": 0, "training__epochs__finetune": 0}, ["baseline", "adaptive_norm"]),
    ],
)
def test_phases_of_absent_parts_are_left_out(changes: dict[str, object], names: list[str]) -> None:
    assert [phase.name for phase in phases_for(small_settings(**changes))] == names


def test_given_epochs_replace_the_settings() -> None:
    given = PhaseEpochs(baseline=3, adaptive_norm=0, gat=1, finetune=2)
    assert [(p.name, p.epochs) for p in phases_for(small_settings(), given)] == [
        ("baseline", 3),
        ("gat", 1),
        ("finetune", 2),
    ]
    with pytest.raises(TrainingError, match="0 in every phase"):
        phases_for(small_settings(), PhaseEpochs(baseline=0, adaptive_norm=0, gat=0, finetune=0))


def test_every_phase_changes_something() -> None:
    model, phases = lab().model(), phases_for(small_settings())
    batch = lab().source().batch([lab().world.sessions[40]])
    for index in range(4):
        require_effect(model, phases, index, batch)
        assert model.active == active_parts(phases, index)


def test_a_phase_without_effect_is_refused() -> None:
    none: frozenset[str] = frozenset()
    phases = (Phase("baseline", none, none, 1), Phase("more_of_it", none, none, 1, 0.1))
    batch = lab().source().batch([lab().world.sessions[40]])
    with pytest.raises(PhaseWithoutEffect, match="more_of_it"):
        require_effect(lab().model(), phases, 1, batch)


def test_a_part_that_is_switched_on_but_says_nothing_is_refused() -> None:
    none: frozenset[str] = frozenset()
    model = lab().model()
    assert model.graph is not None
    phases = (
        Phase("baseline", none, frozenset({"graph"}), 1),
        Phase("gat", frozenset({"graph"}), frozenset({"graph"}), 1),
    )
    batch = lab().source().batch([lab().world.sessions[40]])
    require_effect(model, phases, 1, batch)
    for layer in model.graph.layers:
        layer.source.weight.data.zero_()  # type: ignore[union-attr, operator]
    with pytest.raises(PhaseWithoutEffect, match="gat"):
        require_effect(model, phases, 1, batch)
