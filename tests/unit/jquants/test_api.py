"""The API refuses with a reason and a way on; so does an endpoint that a source lacks."""

from __future__ import annotations

from datetime import date

import pytest

from atft_pipeline.errors import EndpointMissing, SourceError
from atft_pipeline.jquants.api.source import open_api
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.source import open_source
from atft_pipeline.settings import load_settings

from .markets import SMALL


def test_without_a_key_the_variable_is_named() -> None:
    with pytest.raises(SourceError, match="JQUANTS_API_KEY is not set") as caught:
        open_api(load_settings("jquants", environ={}), {})
    assert "export JQUANTS_API_KEY" in caught.value.remedy


def test_with_a_key_the_missing_client_is_said_and_the_key_is_not() -> None:
    with pytest.raises(SourceError, match="not part of this version") as caught:
        open_api(load_settings("jquants", environ={}), {"JQUANTS_API_KEY": "abc123"})
    assert "--preset demo" in caught.value.remedy
    assert "--preset tse" in caught.value.remedy
    assert "abc123" not in str(caught.value)


def test_the_settings_choose_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_source(load_settings("demo", environ={})).name == "simulated"
    with pytest.raises(SourceError, match="is not a folder"):
        open_source(load_settings("tse", {"source.path": "/nowhere"}, environ={}))
    monkeypatch.delenv("JQUANTS_API_KEY", raising=False)
    with pytest.raises(SourceError, match="JQUANTS_API_KEY"):
        open_source(load_settings("jquants", environ={}))


@pytest.mark.parametrize("name", ["options", "daily_bars_am"])
def test_an_endpoint_that_is_not_offered(name: str) -> None:
    source = SimulatedSource(SMALL)
    with pytest.raises(EndpointMissing, match=name) as caught:
        source.fetch(name, date(2022, 1, 1), date(2022, 2, 1))
    assert "features.families" in caught.value.remedy
