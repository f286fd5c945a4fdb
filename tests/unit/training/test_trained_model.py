"""The artefact: what is saved comes back, scores agree, and another contract is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_pipeline.errors import ContractError
from atft_pipeline.predictions import SCHEMA
from atft_pipeline.training.trained_model import TrainedModel
from tests.unit.cache.world import CONTRACT, small_settings
from tests.unit.training.lab import lab
from tests.unit.training.test_fit import fitted

DAYS = (70, 71, 79)


def predictions(model: TrainedModel) -> pl.DataFrame:
    return model.predict(lab().cache, lab().world.graphs, [lab().world.sessions[p] for p in DAYS])


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    assert again.identity == fitted().identity
    assert again.contract == CONTRACT
    assert again.contract_hash == CONTRACT.hash
    assert again.history == fitted().history
    assert again.train_days == fitted().train_days
    assert again.n_parameters == fitted().n_parameters > 1000
    assert_frame_equal(predictions(again), predictions(fitted()), check_exact=True)


def test_facts_name_no_path(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    text = (tmp_path / "model.json").read_text()
    assert '"store"' not in text
    assert str(lab().cache.file.parent) not in text


def test_every_stock_in_the_universe_is_scored_with_or_without_a_label() -> None:
    frame = predictions(fitted())
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame["score"].is_finite().all()
    for position in DAYS:
        day = lab().world.sessions[position]
        codes = [code for code, inside in zip(lab().cache.codes, lab().cache.mask(day), strict=True) if inside]
        part = frame.filter(pl.col("Date") == day)
        assert part["Code"].to_list() == [code for code in codes for _ in range(4)]
        assert part["horizon"].to_list() == [1, 5, 10, 20] * len(codes)
    assert frame["fold"].unique().to_list() == ["fold_0"]
    assert frame["model"].unique().to_list() == ["atft_gat_fan"]


def test_the_order_of_days_and_their_company_change_nothing() -> None:
    days = [lab().world.sessions[p] for p in DAYS]
    backwards = fitted().predict(lab().cache, lab().world.graphs, days[::-1])
    assert_frame_equal(backwards, predictions(fitted()), check_exact=True)
    alone = fitted().predict(lab().cache, lab().world.graphs, days[1:2])
    together = predictions(fitted()).filter(pl.col("Date") == days[1])
    assert_frame_equal(alone, together, rel_tol=1e-5, abs_tol=1e-6)


def test_no_day_no_row() -> None:
    assert fitted().predict(lab().cache, lab().world.graphs, []).schema == pl.Schema(SCHEMA)


def test_a_cache_of_another_contract_is_refused(tmp_path: Path) -> None:
    narrow = CONTRACT.select(["moves", "state"])
    with pytest.raises(ContractError, match="cache contract"):
        predictions(replace(fitted(), contract=narrow))


def test_identity_follows_weights_and_affine() -> None:
    model = fitted()
    name = next(iter(model.weights))
    weights = dict(model.weights) | {name: model.weights[name] + 1.0}
    assert replace(model, weights=weights).identity != model.identity
    affine = replace(model.affine, center=model.affine.center + 1.0)
    assert replace(model, affine=affine).identity != model.identity
    assert replace(model).identity == model.identity


def test_progress_counts_days() -> None:
    calls: list[tuple[str, int, int]] = []
    days = lab().world.sessions[70:76]
    fitted().predict(lab().cache, lab().world.graphs, days, on_progress=lambda *call: calls.append(call))
    assert calls == [("score fold_0", 4, 6), ("score fold_0", 6, 6)]
    assert small_settings().training.days_per_micro_batch == 4
