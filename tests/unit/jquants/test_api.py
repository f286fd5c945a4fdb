"""A source is refused with a reason and a way on; so is an endpoint that a source lacks."""

from __future__ import annotations

from datetime import date

import pytest

from atft_pipeline.errors import AuthError, EndpointMissing, SettingsError, SourceError
from atft_pipeline.jquants.api.source import ApiSource, open_api, received_folder, throttle_folder
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.source import open_source
from atft_pipeline.settings import load_settings

from .markets import SMALL


def test_without_a_key_the_ways_to_give_one_are_named() -> None:
    with pytest.raises(AuthError, match="JQUANTS_API_KEY") as caught:
        open_api(load_settings("jquants", environ={}), {"HOME": "/nowhere"})
    assert "--preset demo" in caught.value.remedy


def test_opening_with_a_key_asks_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    settings = load_settings("jquants", {"store": home}, environ={})
    opened = open_api(settings, {"JQUANTS_API_KEY": "abc123", "XDG_STATE_HOME": home})
    assert isinstance(opened, ApiSource)
    assert "abc123" not in repr(vars(opened))


def test_answers_of_different_addresses_are_kept_apart() -> None:
    real = load_settings("jquants", environ={})
    twin = load_settings("jquants", {"source.api.base_url": "http://127.0.0.1:8765/v2"}, environ={})
    assert received_folder(real).name == "api.jquants.com"
    assert received_folder(twin).name == "127.0.0.1-8765"
    assert throttle_folder({"XDG_STATE_HOME": "/state"}).parts[:2] == ("/", "state")


@pytest.mark.parametrize("url", ["http://api.jquants.com/v2", "ftp://127.0.0.1/v2", "api.jquants.com/v2"])
def test_an_address_that_would_show_the_key_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is not https"):
        load_settings("jquants", {"source.api.base_url": url}, environ={})


def test_the_settings_choose_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_source(load_settings("demo", environ={})).name == "simulated"
    with pytest.raises(SourceError, match="is not a folder"):
        open_source(load_settings("tse", {"source.path": "/nowhere"}, environ={}))
    monkeypatch.delenv("JQUANTS_API_KEY", raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(AuthError, match="JQUANTS_API_KEY"):
        open_source(load_settings("jquants", environ={}))


@pytest.mark.parametrize("name", ["options", "daily_bars_am"])
def test_an_endpoint_that_is_not_offered(name: str) -> None:
    source = SimulatedSource(SMALL)
    with pytest.raises(EndpointMissing, match=name) as caught:
        source.fetch(name, date(2022, 1, 1), date(2022, 2, 1))
    assert "features.families" in caught.value.remedy
