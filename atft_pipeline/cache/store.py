"""Reads the day store through a memory map: every answer is a view into the file, never a copy."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from atft_pipeline.cache.layout import FILE_NAME, Layout
from atft_pipeline.errors import ArtefactCorrupt, ArtefactMissing, ContractError, LakeError
from atft_pipeline.features.contract import Contract

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ArrowCache:
    """Features, masks and targets of D sessions and C codes; the code axis is the same on every day.

    Arrays that methods return are read-only views into the memory map. Shapes: L window, F features, G families,
    K horizons.
    """

    file: Path
    layout: Layout
    _arrays: dict[str, npt.NDArray[Any]]
    _position: dict[date, int]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a cache file and verify its description: version, columns, stride of every session.

        Raises:
            ArtefactMissing: there is no such file.
            ArtefactStale: another layout version wrote it.
            ArtefactCorrupt: it is not a complete cache file of constant stride.
        """
        path = Path(path)
        if not path.is_file():
            raise ArtefactMissing(f"No cache at {path}.", remedy="Make arrow_cache.")
        try:
            with pa.memory_map(str(path)) as source:
                buffer = source.read_buffer()
            reader = pa.ipc.open_file(pa.BufferReader(buffer))
            layout = Layout.from_schema(reader.schema, str(path))
            starts = _column_starts(reader, layout, buffer.address)
        except pa.ArrowInvalid as error:
            raise ArtefactCorrupt(
                f"{path} is no complete Arrow file: {error}.", remedy="Make arrow_cache again."
            ) from error
        if len(starts) != len(layout.days) or np.any(np.diff(starts, axis=0) != layout.stride):
            raise ArtefactCorrupt(
                f"{path}: {len(starts)} sessions that do not all lie {layout.stride} bytes apart"
                f" (expected {len(layout.days)} sessions).",
                remedy="Make arrow_cache again.",
            )
        arrays = {
            slot.name: _strided(buffer, layout, int(starts[0, i]), slot.width, slot.dtype)
            for i, slot in enumerate(layout.slots)
        }
        return cls(path, layout, arrays, {day: i for i, day in enumerate(layout.days)})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open the cache of an artefact directory."""
        return cls.open(Path(directory) / FILE_NAME)

    def save(self, directory: Path) -> None:
        """Put the file into an artefact directory: a hard link on the same file system, else a copy."""
        goal = Path(directory) / FILE_NAME
        try:
            os.link(self.file, goal)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
                raise
            shutil.copyfile(self.file, goal)

    @property
    def days(self) -> tuple[date, ...]:
        """The D sessions, ascending."""
        return self.layout.days

    @property
    def codes(self) -> tuple[str, ...]:
        """The C codes that were ever in the universe of these sessions, sorted."""
        return self.layout.codes

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The F columns of the contract, in order."""
        return self.layout.feature_names

    @property
    def families(self) -> tuple[str, ...]:
        """The G families, in the contract's order."""
        return self.layout.families

    @property
    def horizons(self) -> tuple[int, ...]:
        """The K horizons in sessions."""
        return self.layout.horizons

    def require_contract(self, contract: Contract) -> None:
        """Refuse a cache that was made by another contract.

        Raises:
            ContractError: the hashes differ.
        """
        if self.layout.contract_hash != contract.hash:
            raise ContractError(
                f"cache contract = {self.layout.contract_hash}, wanted {contract.hash}.",
                remedy="Make arrow_cache again, or use the model that was trained on this contract.",
            )

    def days_with_window(self, length: int) -> tuple[date, ...]:
        """Sessions that have `length` - 1 sessions before them in the cache."""
        return self.days[length - 1 :]

    def window(self, day: date, length: int) -> Floats:
        """Features of the `length` sessions up to and including `day`: [L, C, F], 0 or NaN where unknown."""
        return self._window("features", day, length)

    def window_mask(self, day: date, length: int) -> Flags:
        """In the universe on each session of the window: [L, C]."""
        return self._window("in_universe", day, length)[:, :, 0]

    def family_window(self, day: date, length: int) -> Flags:
        """Whether a family's values are known on each session of the window: [L, C, G]."""
        return self._window("families", day, length)

    def mask(self, day: date) -> Flags:
        """In the universe on `day`: [C]."""
        return self._row("in_universe", day)[:, 0]

    def targets(self, day: date) -> Floats:
        """Normalized targets of `day`: [C, K], NaN where unknown."""
        return self._row("targets", day)

    def returns(self, day: date) -> Floats:
        """Forward returns of the chosen entry: [C, K], NaN where unknown."""
        return self._row("returns", day)

    def returns_close(self, day: date) -> Floats:
        """Forward returns close to close: [C, K], NaN where unknown."""
        return self._row("returns_close", day)

    def path_window(self, day: date, n: int) -> Floats:
        """Normalized one-session moves that start at the close of `day` and the sessions after it: [<= n, C].

        Row k is the move from session day + k to the one after it; fewer than n rows at the end of the cache. NaN where
        unknown or where the stock is outside the universe of session day + k.
        """
        start = self._at(day)
        moves: Floats = self._arrays["next_move"][start : start + n, :, 0]
        return moves

    def path(self, day: date, n: int) -> Floats:
        """`path_window` with one row per code and NaN past the end of the cache: [C, n] (this one is a copy)."""
        moves = self.path_window(day, n)
        full = np.full((len(self.codes), n), np.nan, dtype=np.float32)
        full[:, : len(moves)] = moves.T
        return full

    def _row(self, name: str, day: date) -> npt.NDArray[Any]:
        row: npt.NDArray[Any] = self._arrays[name][self._at(day)]
        return row

    def _at(self, day: date) -> int:
        if day not in self._position:
            raise LakeError(
                f"day = {day} is not a session of the cache ({self.days[0]} to {self.days[-1]}).",
                remedy="Ask for a day of `cache.days`, or make arrow_cache again for a longer period.",
            )
        return self._position[day]

    def _window(self, name: str, day: date, length: int) -> npt.NDArray[Any]:
        end = self._at(day) + 1
        if length > end:
            raise LakeError(
                f"day = {day} has {end} sessions in the cache, a window of {length} needs {length}.",
                remedy=f"Use `cache.days_with_window({length})`.",
            )
        return self._arrays[name][end - length : end]


def _column_starts(reader: pa.ipc.RecordBatchFileReader, layout: Layout, base: int) -> npt.NDArray[np.int64]:
    """Byte offset in the file of every column of every session: [D, columns]."""
    starts = np.empty((reader.num_record_batches, len(layout.slots)), dtype=np.int64)
    for row in range(reader.num_record_batches):
        batch = reader.get_batch(row)
        if batch.num_rows != len(layout.codes):
            raise ArtefactCorrupt(
                f"Session {row} has {batch.num_rows} rows for {len(layout.codes)} codes.",
                remedy="Make arrow_cache again.",
            )
        # buffers of a fixed-size list: its validity, its values' validity, its values
        starts[row] = [column.buffers()[2].address - base for column in batch.columns]
    return starts


def _strided(buffer: pa.Buffer, layout: Layout, start: int, width: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """[D, C, width] over the mapped file; numpy itself checks that it stays inside the buffer."""
    shape = (len(layout.days), len(layout.codes), width)
    strides = (layout.stride, width * dtype.itemsize, dtype.itemsize)
    return np.ndarray(shape, dtype=dtype, buffer=buffer, offset=start, strides=strides)
