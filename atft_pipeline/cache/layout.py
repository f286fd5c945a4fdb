"""How a cache file is laid out: its columns, their widths, and the description that travels in the schema.

One Arrow IPC file, one record batch per session, every batch C rows long, every column a fixed-size list without
nulls. All record batches therefore have the same size, and a column of the file is one strided array [D, C, width].
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa

from atft_pipeline.errors import ArtefactCorrupt, ArtefactStale

LAYOUT_VERSION = 1
FILE_NAME = "cache.arrow"
_METADATA_KEY = b"atft_cache"


@dataclass(frozen=True)
class Slot:
    """One column of the file: `width` values of one type per (session, code)."""

    name: str
    width: int
    dtype: np.dtype[np.float32] | np.dtype[np.bool_]

    @property
    def arrow_type(self) -> pa.DataType:
        """Booleans are stored as one byte each, so that a mask can be viewed without unpacking."""
        return pa.list_(pa.float32() if self.dtype == np.float32 else pa.uint8(), self.width)


@dataclass(frozen=True)
class Layout:
    """What a cache file holds; written to and read from the metadata of its schema.

    `stride` is the size in bytes of one record batch message, the distance between two sessions in the file.
    """

    version: int
    contract_hash: str
    days: tuple[date, ...]
    codes: tuple[str, ...]
    feature_names: tuple[str, ...]
    families: tuple[str, ...]
    horizons: tuple[int, ...]
    entry: str
    stride: int = 0

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Columns in file order."""
        number, flag = np.dtype(np.float32), np.dtype(np.bool_)
        n_horizons = len(self.horizons)
        return (
            Slot("features", len(self.feature_names), number),
            Slot("families", len(self.families), flag),
            Slot("in_universe", 1, flag),
            Slot("targets", n_horizons, number),
            Slot("returns", n_horizons, number),
            Slot("returns_close", n_horizons, number),
            Slot("next_move", 1, number),
        )

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema with the layout as JSON in its metadata; made once, since each session's batch carries it."""
        text = json.dumps(asdict(self), sort_keys=True, default=date.isoformat)
        fields = [pa.field(slot.name, slot.arrow_type, nullable=False) for slot in self.slots]
        return pa.schema(fields, metadata={_METADATA_KEY: text.encode()})

    @classmethod
    def from_schema(cls, schema: pa.Schema, origin: str) -> Layout:
        """The layout in a schema's metadata.

        Raises:
            ArtefactCorrupt: the schema is not that of a cache, or its columns differ from its own description.
            ArtefactStale: another version of this layout wrote the file.
        """
        if _METADATA_KEY not in (schema.metadata or {}):
            raise ArtefactCorrupt(f"{origin} carries no cache description.", remedy="Make arrow_cache again.")
        raw = json.loads(schema.metadata[_METADATA_KEY])
        if raw["version"] != LAYOUT_VERSION:
            raise ArtefactStale(
                f"{origin} has layout version {raw['version']}, this code reads {LAYOUT_VERSION}.",
                remedy="Make arrow_cache again.",
            )
        layout = cls(
            version=raw["version"],
            contract_hash=raw["contract_hash"],
            days=tuple(date.fromisoformat(day) for day in raw["days"]),
            codes=tuple(raw["codes"]),
            feature_names=tuple(raw["feature_names"]),
            families=tuple(raw["families"]),
            horizons=tuple(raw["horizons"]),
            entry=raw["entry"],
            stride=raw["stride"],
        )
        if not layout.schema.equals(schema, check_metadata=False):
            raise ArtefactCorrupt(
                f"{origin}: the columns of the file differ from its description.", remedy="Make arrow_cache again."
            )
        return layout
