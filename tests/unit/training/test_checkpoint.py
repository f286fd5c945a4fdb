"""Tensor files: deterministic, atomic, and what goes in comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from atft_pipeline.errors import ArtefactCorrupt
from atft_pipeline.sections import TrainingSettings
from atft_pipeline.training.checkpoint import (
    TensorFile,
    optimizer_tensors,
    random_states,
    restore_optimizer,
    restore_random_states,
)
from atft_pipeline.training.optimizer import make_optimizer

CPU = torch.device("cpu")


def test_groups_and_record_come_back(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False])}
    TensorFile({"model": tensors, "empty": {}}, {"epoch": 3, "nan": float("nan")}).write(tmp_path / "x.safetensors")
    found = TensorFile.read(tmp_path / "x.safetensors")
    assert list(found.groups) == ["model"]
    assert torch.equal(found.groups["model"]["a.weight"], tensors["a.weight"])
    assert torch.equal(found.groups["model"]["b"], tensors["b"])
    assert found.record["epoch"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_same_content_same_bytes(tmp_path: Path) -> None:
    names = [f"layer_{i}" for i in range(20)]
    record = {f"key_{i}": i for i in range(20)}
    for file, order in (("a", names), ("b", names[::-1])):
        group = {name: torch.full((3,), float(name[6:])) for name in order}
        TensorFile({"model": group}, dict(sorted(record.items(), reverse=file == "b"))).write(tmp_path / file)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    TensorFile({"model": {"w": torch.ones(100)}}, {}).write(tmp_path / "x")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:200])
    with pytest.raises(ArtefactCorrupt):
        TensorFile.read(tmp_path / "x")


def test_an_optimizer_goes_on_as_if_nothing_had_happened() -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    settings = TrainingSettings(learning_rate=0.1)
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    first = make_optimizer(one, settings)
    steps(one, first, 3)
    other.load_state_dict(one.state_dict())
    second = make_optimizer(other, settings)
    restore_optimizer(second, {name: tensor.clone() for name, tensor in optimizer_tensors(first).items()})
    steps(one, first, 3)
    steps(other, second, 3)
    assert torch.equal(one.weight, other.weight)


def test_random_states_come_back() -> None:
    states = random_states(device=CPU)
    first = torch.rand(3)
    restore_random_states(states, device=CPU)
    assert torch.equal(torch.rand(3), first)
