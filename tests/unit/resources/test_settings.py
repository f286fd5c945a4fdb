"""Run config: what it may change, and what it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from atft_pipeline.errors import EndpointMissing, SettingsError
from atft_pipeline.settings import load_settings
from resources import settings as settings_module
from resources.settings import SettingsResource
from resources.structure import resolve
from tests.unit.jquants.folders import write_market


@pytest.fixture
def without_topix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment on a folder that holds no index, its settings as the refusal of `atft run` tells."""
    given = {
        "source.path": str(write_market(tmp_path, without=["topix"])),
        "features.families": ["liquidity"],
        "graph.window": 90,
        "graph.min_common": 60,
        "model.graph.enabled": False,
    }
    shape = resolve(load_settings("tse", given, environ={}))
    monkeypatch.setattr(settings_module, "structure", lambda: shape)
    monkeypatch.setattr(settings_module, "process_overrides", lambda: given)


def test_values_are_changed_and_the_structure_is_not() -> None:
    assert SettingsResource(overrides={"training.patience": 5}).load().training.patience == 5
    with pytest.raises(SettingsError, match=r"folds\.n_folds = 7 in run config: folds is fixed"):
        SettingsResource(overrides={"folds.n_folds": 7}).load()


@pytest.mark.usefixtures("without_topix")
def test_the_graph_is_not_switched_on_where_the_source_has_no_index() -> None:
    assert not SettingsResource().load().model.graph.enabled
    with pytest.raises(EndpointMissing, match="no topix; needed by the graph"):
        SettingsResource(overrides={"model.graph.enabled": True}).load()
