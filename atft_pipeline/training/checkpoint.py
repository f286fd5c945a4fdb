"""Checkpoints of a running fit: one safetensors file, replaced atomically, from which a killed run goes on bit by bit.

Tensors lie under dotted names ("model.encoder.weight"); everything else is one JSON text in the file's metadata (one
key only: safetensors does not keep the order of several).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atft_pipeline.errors import ArtefactCorrupt

_RECORD = "record"


@dataclass(frozen=True)
class TensorFile:
    """Groups of named tensors and a JSON record, in one file whose bytes depend on the content alone."""

    groups: Mapping[str, Mapping[str, Tensor]]
    record: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write beside `path`, flush to the disk, then rename: a reader sees the old file or the new one."""
        flat = {
            f"{group}.{name}": tensor.detach().cpu().contiguous().clone()
            for group, tensors in self.groups.items()
            for name, tensor in tensors.items()
        }
        staged = path.with_name(path.name + ".staged")
        save_file(flat, str(staged), metadata={_RECORD: json.dumps(self.record, sort_keys=True)})
        with staged.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(staged, path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that `write` made.

        Raises:
            ArtefactCorrupt: it is not such a file.
        """
        groups: dict[str, dict[str, Tensor]] = {}
        try:
            with safe_open(str(path), framework="pt") as file:
                record = json.loads((file.metadata() or {})[_RECORD])
                for key in file.keys():  # noqa: SIM118  a safetensors handle is no mapping
                    group, _, name = key.partition(".")
                    groups.setdefault(group, {})[name] = file.get_tensor(key)
        except (SafetensorError, KeyError) as error:
            raise ArtefactCorrupt(f"{path} is no complete tensor file: {error}.", remedy="Delete it.") from error
        return cls(groups, record)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Tensors of an optimizer's state under "<parameter number>.<name>"."""
    return {
        f"{number}.{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors of `optimizer_tensors` into a fresh optimizer over the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_states(*, device: torch.device) -> dict[str, Tensor]:
    """States of the global random streams: the CPU's, and the device's if it has one."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: Mapping[str, Tensor], *, device: torch.device) -> None:
    """Put the states of `random_states` back."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
