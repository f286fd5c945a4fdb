"""`atft doctor`: this machine, then the source of the preset: a folder of files, or an account of the API."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from rich.markup import escape

from atft_pipeline.errors import DeviceError
from atft_pipeline.settings import Settings
from jobs.summary import console

DISTRIBUTION = "atft-pipeline"
WANTED_BYTES = 20_000_000_000
"""What ten years of the whole market take: about 4 GB received, 3 GB of tables, and the lake's second versions."""


@dataclass(frozen=True)
class Health:
    """One thing that was looked at.

    Attributes:
        what: its name.
        says: what was found.
        remedy: what to do about it; empty when it is well.
    """

    what: str
    says: str
    remedy: str = ""


def run_doctor(settings: Settings) -> bool:
    """Look at machine and source and say what was found; whether a run can begin."""
    found = [*machine(settings)]
    print_health(found)
    usable = not any(health.remedy for health in found)
    # Imported here: each of the two brings what only it needs.
    if settings.source.kind == "files":
        from jobs.doctor_files import examine_folder

        usable = examine_folder(settings) and usable
    if settings.source.kind == "jquants":
        from atft_pipeline.jquants.api.checkup import examine_account

        account = [Health(*line) for line in examine_account(settings, os.environ)]
        print_health(account)
        usable = usable and not any(health.remedy for health in account)
    return usable


def machine(settings: Settings) -> Iterator[Health]:
    """Disk, versions and compute device."""
    settings.store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.store).free
    says = f"{free / 1e9:.0f} GB free under {settings.store.resolve()}"
    small = free < WANTED_BYTES and settings.source.kind != "simulated"
    yield Health("disk", says, f"Ten years of the market take about {WANTED_BYTES / 1e9:.0f} GB." if small else "")
    yield _versions()
    yield _device(settings)


def print_health(found: list[Health]) -> None:
    """A line each; what is not well with its remedy below."""
    for health in found:
        mark = "[red]problem[/]" if health.remedy else "[green]well[/]   "
        console.print(f"{mark} {health.what:<10} {escape(health.says)}", soft_wrap=True)
        if health.remedy:
            console.print(f"        remedy     {escape(health.remedy)}", soft_wrap=True)


def _versions() -> Health:
    """Direct dependencies beside their pins."""
    pins = [Requirement(line) for line in requires(DISTRIBUTION) or () if "extra ==" not in line]
    off: list[str] = []
    for pin in pins:
        try:
            there = version(pin.name)
        except PackageNotFoundError:
            off.append(f"{pin.name} is missing")
            continue
        if not pin.specifier.contains(there, prereleases=True):
            off.append(f"{pin.name} {there} instead of {pin.specifier}")
    if off:
        return Health("versions", "; ".join(off), "Install what was tried together: make install.")
    return Health("versions", f"{len(pins)} packages as pinned")


def _device(settings: Settings) -> Health:
    from resources.compute_device import ComputeDevice

    try:
        return Health("device", ComputeDevice().resolve(settings.device).description)
    except DeviceError as error:
        return Health("device", error.problem, error.remedy)
