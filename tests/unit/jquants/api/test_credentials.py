"""The key is found in the environment or in a private file, and nothing shows it."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest

from atft_pipeline.errors import AuthError
from atft_pipeline.jquants.api.credentials import KEY_VARIABLE, ApiKey, find_key

from .servers import SECRET, everything_shown


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def key_file(path: Path, content: str = SECRET, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    path = key_file(tmp_path / "key", "another")
    assert find_key({KEY_VARIABLE: SECRET}, path).reveal() == SECRET
    assert find_key({}, path).reveal() == "another"


def test_the_file_of_the_settings_comes_before_the_default_one(home: Path) -> None:
    key_file(home / ".config/atft/jquants_api_key", "default-one")
    assert find_key({}, None).reveal() == "default-one"
    assert find_key({}, key_file(home / "named", "named-one")).reveal() == "named-one"
    assert find_key({}, Path("~/named")).reveal() == "named-one"


@pytest.mark.parametrize("content", [f"{SECRET}\n", f"  {SECRET}\r\n", f"\t{SECRET} "])
def test_white_space_at_the_ends_is_dropped(home: Path, content: str) -> None:
    assert find_key({}, key_file(home / "key", content)).reveal() == SECRET


@pytest.mark.parametrize("named", [None, Path("/nowhere/key")])
def test_without_a_key_every_way_is_named(home: Path, named: Path | None) -> None:
    with pytest.raises(AuthError, match="JQUANTS_API_KEY is not set") as caught:
        find_key({}, named)
    assert str(named or ".config/atft/jquants_api_key") in caught.value.problem
    assert "export JQUANTS_API_KEY" in caught.value.remedy
    assert "~/.config/atft/jquants_api_key" in caught.value.remedy
    assert "--preset demo" in caught.value.remedy


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_closes_it(home: Path, mode: int) -> None:
    path = key_file(home / "my keys" / "key", mode=mode)
    with pytest.raises(AuthError, match=f"mode {mode:o}") as caught:
        find_key({}, path)
    assert caught.value.remedy == f"Run: chmod 600 '{path}'"
    shown = everything_shown(caught.value)
    assert SECRET not in shown


def test_a_folder_is_no_key_file(home: Path) -> None:
    with pytest.raises(AuthError, match="cannot be read"):
        find_key({}, home)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (f"{SECRET} {SECRET}", "white space inside"),
        (f"{SECRET}\nsecond", "white space inside"),
        (f"{SECRET}é", "printable ASCII"),
        (f"{SECRET}\x7f", "printable ASCII"),
    ],
)
def test_what_cannot_be_a_key_is_refused_without_showing_it(home: Path, content: str, fault: str) -> None:
    path = key_file(home / "key", content)
    with pytest.raises(AuthError, match=fault) as caught:
        find_key({}, path)
    assert str(path) in str(caught.value)
    assert SECRET not in everything_shown(caught.value).replace(repr(content), "(the argument of this test)")
    with pytest.raises(AuthError, match=f"JQUANTS_API_KEY.*{fault}"):
        find_key({KEY_VARIABLE: content}, None)


def test_nothing_shows_the_key() -> None:
    key = ApiKey(SECRET)
    shown = [repr(key), str(key), f"{key}", f"{key!r:>20}", f"{key:>20}", f"{[key]}", "%s" % key]  # noqa: UP031
    assert all("ApiKey(...)" in text and SECRET not in text for text in shown)
    assert key.removed_from(f"x{SECRET}y{SECRET}") == "xApiKey(...)yApiKey(...)"


def test_a_key_is_not_written_or_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not written anywhere") as caught:
            attempt(ApiKey(SECRET))
        shown = everything_shown(caught.value)
    assert SECRET not in shown


def test_the_fingerprint_tells_keys_apart() -> None:
    assert re.fullmatch("[0-9a-f]{12}", ApiKey(SECRET).fingerprint)
    assert ApiKey(SECRET).fingerprint == ApiKey(f" {SECRET}\n").fingerprint
    assert ApiKey(SECRET).fingerprint != ApiKey(f"{SECRET}x").fingerprint
