"""Errors carry a problem and a remedy, through process borders too."""

from __future__ import annotations

import copy

from atft_pipeline.errors import ArtefactStale, AtftError, LakeError


def test_an_error_shows_problem_and_remedy_and_survives_a_copy() -> None:
    error = ArtefactStale("features: settings changed", remedy="atft run --to features")
    assert str(error) == "features: settings changed\n  remedy: atft run --to features"
    again = copy.copy(error)
    assert (type(again), str(again)) == (ArtefactStale, str(error))
    assert isinstance(again, LakeError)
    assert isinstance(again, AtftError)
