"""The compute device: CUDA where it is there and wanted, else the CPU; never a silent change of mind."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from atft_pipeline.errors import DeviceError
from atft_pipeline.sections import DeviceSettings


@dataclass(frozen=True)
class Device:
    """A resolved device: torch's name for it, the precision of forward passes, and what it is in words."""

    name: str
    precision: str
    description: str


class ComputeDevice(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Resolves the settings of `device` on this machine. Steps that use it run in the pool `gpu`."""

    def resolve(self, settings: DeviceSettings) -> Device:
        """The device that the settings name.

        Raises:
            DeviceError: CUDA is asked for and absent, or bfloat16 on a CPU.
        """
        import torch

        has_cuda = torch.cuda.is_available()
        if settings.choice == "cuda" and not has_cuda:
            raise DeviceError(
                f"device.choice = 'cuda', and torch {torch.__version__} sees no CUDA device.",
                remedy="Install torch's CUDA build (README, 'GPU'), or run with --set device.choice=auto.",
            )
        name = "cuda" if has_cuda and settings.choice != "cpu" else "cpu"
        if name == "cpu" and settings.precision != "float32":
            raise DeviceError(
                f"device.precision = {settings.precision!r} on a CPU: only float32 is bit-reproducible there.",
                remedy="Run with --set device.precision=float32.",
            )
        torch.set_num_threads(settings.threads)
        description = torch.cuda.get_device_name() if name == "cuda" else f"CPU, {settings.threads} threads"
        return Device(name, settings.precision, description)
