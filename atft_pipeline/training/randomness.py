"""Seeds: every random stream has a name, and its seed follows from the settings' seed and that name alone."""

from __future__ import annotations

import hashlib

import torch


def seed_of(seed: int, *names: str) -> int:
    """A 63-bit seed from a base seed and names; unlike `hash()`, the same in every process."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_of(seed: int, *names: str) -> torch.Generator:
    """A CPU generator of its own, so that one stream's draws never shift another's."""
    return torch.Generator().manual_seed(seed_of(seed, *names))
