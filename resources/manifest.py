"""The manifest: what an artefact is, what it was made from, and how to tell that it is still both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

VOLATILE_COLUMNS = ("fetched_at", "scored_at")
"""When something was done, not what it is: left out of the content hash."""


class Provenance(BaseModel):
    """What an artefact is made from. Two artefacts of equal provenance are interchangeable.

    `inputs` maps the name of an upstream artefact (`asset` or `asset@partition`) to its content hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings_hash: str
    code_version: str
    contract_hash: str
    inputs: dict[str, str]

    def differences(self, other: Provenance) -> list[str]:
        """What separates two provenances, in words; empty when they are equal."""
        found = [
            f"{label} changed"
            for label, field in (
                ("settings", "settings_hash"),
                ("code", "code_version"),
                ("feature contract", "contract_hash"),
            )
            if getattr(self, field) != getattr(other, field)
        ]
        names = sorted(self.inputs.keys() | other.inputs.keys())
        changed = [name for name in names if self.inputs.get(name) != other.inputs.get(name)]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            found.append(f"input {changed[0]}{more} changed")
        return found


class FileEntry(BaseModel):
    """One file of an artefact: its size in bytes and the blake2b hash of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    hash: str


class Manifest(BaseModel):
    """The committed description of one artefact; replacing this file IS the commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str
    partition: str | None
    version: str
    rows: int | None
    columns: dict[str, str]
    content_hash: str
    provenance: Provenance
    files: dict[str, FileEntry]
    revision: int
    created_at: str
    run_id: str

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.bytes for entry in self.files.values())


def hash_file(path: Path) -> str:
    """blake2b of a file's bytes, 16 bytes long, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def hash_text(parts: Iterable[str]) -> str:
    """blake2b of some texts in the order given."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def hash_of_all(manifests: Sequence[Manifest]) -> str:
    """Content hash of what one step committed: that of the one artefact, or of all months together."""
    hashes = [manifest.content_hash for manifest in manifests]
    return hashes[0] if len(hashes) == 1 else hash_text(hashes)


def hash_table(frame: pl.DataFrame) -> str:
    """Content hash of a table: names, types, values and row order; volatile columns stay out.

    Values are hashed, not Parquet bytes: compression, statistics and the writer's version change nothing. What lies
    under a null is replaced first, since it is not defined.
    """
    digest = hashlib.blake2b(digest_size=16)
    for column in frame.get_columns():
        if column.name in VOLATILE_COLUMNS:
            continue
        digest.update(f"{column.name}:{column.dtype}:{column.len()};".encode())
        _hash_series(digest, column.rechunk())
    return digest.hexdigest()


def _hash_series(digest: hashlib.blake2b, column: pl.Series) -> None:
    if column.null_count():
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
    if isinstance(column.dtype, pl.List):
        digest.update(column.list.len().fill_null(0).to_numpy().tobytes())
        _hash_series(digest, column.drop_nulls().explode(empty_as_null=False))
    elif isinstance(column.dtype, pl.Struct):
        for field in column.struct.fields:
            _hash_series(digest, column.struct.field(field))
    elif column.dtype == pl.String:
        filled = column.fill_null("")
        digest.update(filled.str.len_bytes().to_numpy().tobytes())
        digest.update(filled.str.join().item().encode())
    else:
        physical = column.to_physical()
        zero = False if physical.dtype == pl.Boolean else 0
        digest.update(np.ascontiguousarray(physical.fill_null(zero).to_numpy()).tobytes())
