"""`atft` as a user meets it: help, refusals, exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.processes import atft


def test_help_teaches_the_commands(tmp_path: Path) -> None:
    done = atft(tmp_path, "--help", settings=[])
    assert done.returncode == 0
    for word in ("run", "backfill", "status", "doctor", "settings", "ui"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--set", "folds.n_fold=3"], ["folds.n_fold", "Did you mean 'n_folds'?"]),
        (["run", "--preset", "nope"], ["'nope'", "demo, jquants, production, tse"]),
        (["run", "--set", "model.hidden=30"], ["model.hidden 30"]),
        (["run", "--preset", "tse", "--source", "/no/such/folder"], ["/no/such/folder", "remedy"]),
        (["run", "--to", "nothing"], ["--to nothing", "features"]),
        (["run", "--job", "nope"], ["nope", "research"]),
    ],
)
def test_a_refusal_is_one_message_with_a_remedy(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    done = atft(tmp_path, *arguments, settings=[])
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_the_api_is_refused_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JQUANTS_API_KEY", raising=False)
    done = atft(tmp_path, "run", "--preset", "jquants", settings=[])
    assert done.returncode == 2
    assert "JQUANTS_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    assert "JQUANTS_API_KEY" not in os.environ


def test_settings_are_listed_as_they_can_be_given(tmp_path: Path) -> None:
    done = atft(tmp_path, "settings", settings=["folds.n_folds=7"])
    assert done.returncode == 0
    assert "folds.n_folds = 7" in done.stdout
    assert "model.graph.enabled = true" in done.stdout
