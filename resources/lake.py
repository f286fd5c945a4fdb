"""The lake: where artefacts lie, and the only code that knows it. A commit is atomic, a read is verified.

    <root>/<asset>/<partition>/manifest.json      replacing it is the commit
    <root>/<asset>/<partition>/<version>/...      the files that it describes

A crash at any point leaves the manifest, and with it the version before, intact.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self, TypeAlias, TypeVar

import polars as pl

from atft_pipeline.errors import ArtefactCorrupt, ArtefactMissing, LakeError
from resources.manifest import FileEntry, Manifest, Provenance, hash_file, hash_table, hash_text

MANIFEST = "manifest.json"
TABLE = "data.parquet"
WHOLE = "all"
"""Folder of an artefact without partitions."""
MIN_FREE_BYTES = 500_000_000


class Artefact(Protocol):
    """Anything that is not a table: it writes itself into an empty folder and reads itself from one."""

    def save(self, directory: Path) -> None:
        """Write the files; equal objects write equal bytes."""

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""


A = TypeVar("A", bound=Artefact)
Part: TypeAlias = tuple[str | None, pl.DataFrame | Artefact, Provenance]
"""A partition, its value, and what it was made from."""


@dataclass(frozen=True)
class _Draft:
    """A partition that is written and not yet present."""

    partition: str | None
    staging: Path
    provenance: Provenance
    rows: int | None
    columns: dict[str, str]
    content: str | None


@dataclass(frozen=True)
class Lake:
    """Artefacts under one root folder, by asset name (`fold_models/fold_0`) and partition (`2024-05`)."""

    root: Path

    def manifest(self, asset: str, partition: str | None = None) -> Manifest | None:
        """The committed manifest, or None when nothing was committed."""
        path = self._folder(asset, partition) / MANIFEST
        return Manifest.model_validate_json(path.read_text()) if path.exists() else None

    def partitions(self, asset: str) -> list[str]:
        """Committed partitions of an asset, ascending."""
        folder = self.root / asset
        return sorted(entry.parent.name for entry in folder.glob(f"*/{MANIFEST}") if entry.parent.name != WHOLE)

    def is_current(self, asset: str, partition: str | None, provenance: Provenance) -> bool:
        """Whether the committed artefact was made from exactly this provenance and its files are whole."""
        manifest = self.manifest(asset, partition)
        return manifest is not None and manifest.provenance == provenance and self._is_whole(manifest)

    def commit(
        self,
        asset: str,
        partition: str | None,
        value: pl.DataFrame | Artefact,
        provenance: Provenance,
        *,
        run_id: str = "",
    ) -> Manifest:
        """Write a table or an artefact and make it the present version, or leave everything as it was."""
        return self.commit_all(asset, [(partition, value, provenance)], run_id=run_id)[0]

    def commit_all(self, asset: str, parts: Iterable[Part], *, run_id: str = "") -> list[Manifest]:
        """Write partitions one by one as they come, and make them the present versions when the last is written.

        When a part cannot be made, everything stays as it was.
        """
        with ExitStack() as staged:
            drafts: list[_Draft] = []
            for partition, value, provenance in parts:
                staging = staged.enter_context(self._staging(asset, partition))
                if isinstance(value, pl.DataFrame):
                    _write(value, staging / TABLE)
                    columns = {name: str(dtype) for name, dtype in value.schema.items()}
                    drafts.append(_Draft(partition, staging, provenance, value.height, columns, hash_table(value)))
                else:
                    value.save(staging)
                    drafts.append(_Draft(partition, staging, provenance, None, {}, None))
            return [self._publish(asset, draft, run_id) for draft in drafts]

    def append(
        self,
        asset: str,
        partition: str,
        tables: Mapping[str, pl.DataFrame],
        provenance: Provenance,
        *,
        run_id: str = "",
    ) -> Manifest:
        """Add tables by name to what a partition holds. A name that is there stays as it was first written."""
        present = self.manifest(asset, partition)
        with self._staging(asset, partition) as staging:
            if present is not None:
                for name in present.files:
                    os.link(self._version(present) / name, staging / name)
            for name, table in sorted(tables.items()):
                path = staging / f"{name}.parquet"
                if not path.exists():
                    _write(table, path)
            frames = {path.name: pl.read_parquet(path) for path in sorted(staging.iterdir())}
            schema = next((frame.schema for frame in frames.values()), pl.Schema())
            content = hash_text(f"{name}={hash_table(frame)}" for name, frame in frames.items())
            rows = sum(frame.height for frame in frames.values())
            columns = {name: str(dtype) for name, dtype in schema.items()}
            return self._publish(asset, _Draft(partition, staging, provenance, rows, columns, content), run_id)

    def scratch(self, asset: str) -> Path:
        """An empty folder on the lake's file system, for what is too large to pass through memory."""
        folder = self.root / ".scratch" / asset
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def checkpoints(self, asset: str, origin: Provenance) -> Path:
        """A folder that outlives a killed step, for what a fit needs to go on; those of other origins are removed."""
        every = self.root / ".checkpoints" / asset
        folder = every / hash_text(origin.model_dump_json())
        folder.mkdir(parents=True, exist_ok=True)
        for other in every.iterdir():
            if other != folder:
                shutil.rmtree(other)
        return folder

    def scan(self, asset: str, partitions: Sequence[str] | None = None) -> pl.LazyFrame:
        """A lazy table over the given partitions, or over all that were committed.

        Raises:
            ArtefactMissing: nothing was committed, or a partition between existing ones is missing.
        """
        wanted = list(partitions) if partitions is not None else [*self.partitions(asset)]
        present = [key for key in wanted if self.manifest(asset, key) is not None]
        if partitions is None and not wanted and self.manifest(asset) is not None:
            return self._scan_files(asset, [None])
        if not present:
            raise ArtefactMissing(
                f"{asset}: no partition of {_range(wanted)} was committed.",
                remedy=f"Materialize it first: atft run --to {asset}",
            )
        inner = wanted[wanted.index(present[0]) : wanted.index(present[-1]) + 1]
        holes = [key for key in inner if key not in set(present)]
        if holes:
            raise ArtefactMissing(
                f"{asset}: {len(holes)} partitions between existing ones are missing: {_range(holes)}.",
                remedy=f"Fill the hole: atft backfill {asset} --from {holes[0]} --to {holes[-1]}",
            )
        return self._scan_files(asset, [*present])

    def forms(self, asset: str) -> dict[str, dict[str, pl.DataType]]:
        """Columns and types of each committed partition of a table, as its file holds them."""
        return {key: pl.read_parquet_schema(self.file(asset, key, TABLE)) for key in self.partitions(asset)}

    def held(self, asset: str, partitions: Sequence[str]) -> pl.DataFrame | None:
        """What a run over `partitions` is about to replace: a table of those committed and whole, None without any."""
        manifests = [self.manifest(asset, key) for key in partitions]
        whole = [manifest.partition for manifest in manifests if manifest is not None and self._is_whole(manifest)]
        return self._scan_files(asset, whole).collect() if whole else None

    def file(self, asset: str, partition: str | None, name: str = "") -> Path:
        """Where one file of the committed version lies, or its folder; for showing to people and other systems."""
        return self._version(self._verified(asset, partition)) / name

    def read(self, asset: str, partition: str | None, kind: type[A]) -> A:
        """An artefact that is not a table, loaded after its files were compared with the manifest."""
        return kind.load(self._version(self._verified(asset, partition)))

    def _scan_files(self, asset: str, partitions: Sequence[str | None]) -> pl.LazyFrame:
        """All columns that any of the files has, in the order in which they first appear; absent ones are null."""
        paths: list[Path] = []
        columns: dict[tuple[str, ...], Path] = {}
        for partition in partitions:
            manifest = self._verified(asset, partition)
            files = [self._version(manifest) / name for name in sorted(manifest.files)]
            paths += files
            columns.setdefault(tuple(manifest.columns), files[0])
        if len(columns) == 1:
            return pl.scan_parquet(paths, glob=False, missing_columns="insert")
        schema = {name: dtype for path in columns.values() for name, dtype in pl.read_parquet_schema(path).items()}
        return pl.scan_parquet(paths, glob=False, schema=schema, missing_columns="insert")

    def _verified(self, asset: str, partition: str | None) -> Manifest:
        manifest = self.manifest(asset, partition)
        if manifest is None:
            raise ArtefactMissing(
                f"{_name(asset, partition)} was never committed.", remedy=f"Materialize it first: atft run --to {asset}"
            )
        if not self._is_whole(manifest):
            raise ArtefactCorrupt(
                f"{_name(asset, partition)}: the files in {self._version(manifest)} differ from the manifest.",
                remedy=f"Make it again: atft run --to {asset} (the damaged version is replaced).",
            )
        return manifest

    def _is_whole(self, manifest: Manifest) -> bool:
        folder = self._version(manifest)
        return all(
            (folder / name).is_file() and (folder / name).stat().st_size == entry.bytes
            for name, entry in manifest.files.items()
        )

    def _folder(self, asset: str, partition: str | None) -> Path:
        return self.root / asset / (partition or WHOLE)

    def _version(self, manifest: Manifest) -> Path:
        return self._folder(manifest.asset, manifest.partition) / manifest.version

    @contextmanager
    def _staging(self, asset: str, partition: str | None) -> Iterator[Path]:
        folder = self._folder(asset, partition)
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < MIN_FREE_BYTES:
            raise LakeError(
                f"{_name(asset, partition)}: {free / 1e6:.0f} MB free under {self.root}, less than the"
                f" {MIN_FREE_BYTES / 1e6:.0f} MB kept back.",
                remedy="Free some space, or move the lake with --set store=DIR.",
            )
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left_over in folder.glob(".staging-*"):  # of a process that died: the lock proves that it is gone
                shutil.rmtree(left_over)
            staging = folder / f".staging-{uuid.uuid4().hex[:12]}"
            staging.mkdir()
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _publish(self, asset: str, draft: _Draft, run_id: str) -> Manifest:
        folder = self._folder(asset, draft.partition)
        before = self.manifest(asset, draft.partition)
        files: dict[str, FileEntry] = {}
        for path in sorted(entry for entry in draft.staging.rglob("*") if entry.is_file()):
            _sync(path)
            name = path.relative_to(draft.staging).as_posix()
            files[name] = FileEntry(bytes=path.stat().st_size, hash=hash_file(path))
        content = draft.content or hash_text(f"{name}={entry.hash}" for name, entry in files.items())
        version = f"v-{hash_text(entry.hash for entry in files.values())[:12]}-{uuid.uuid4().hex[:6]}"
        draft.staging.rename(folder / version)
        manifest = Manifest(
            asset=asset,
            partition=draft.partition,
            version=version,
            rows=draft.rows,
            columns=draft.columns,
            content_hash=content,
            provenance=draft.provenance,
            files=files,
            revision=before.revision + 1 if before else 1,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            run_id=run_id,
        )
        written = folder / f".{MANIFEST}"
        written.write_text(manifest.model_dump_json(indent=2))
        _sync(written)
        written.replace(folder / MANIFEST)
        _sync(folder)
        for old in folder.glob("v-*"):
            if old.name != version:
                shutil.rmtree(old)
        return manifest


def _write(table: pl.DataFrame, path: Path) -> None:
    """Equal tables of equal chunks write equal bytes.

    lz4: bars are written and read about twice as fast as with zstd and take 40% more room, float32 features 10%.
    """
    table.write_parquet(path, compression="lz4", statistics=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(asset: str, partition: str | None) -> str:
    return f"{asset}@{partition}" if partition else asset


def _range(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} to {keys[-1]}" if keys else "an empty range"
