"""The feature contract: which columns exist, in which order, and what each promises.

A feature table that silently shrank from 306 to 99 columns is what this stops. The columns stand as data beside
their functions in `families/`; this file only puts them in order. Schemas, checks, the docs and the model's input
layer are made from it.

Version 1 holds the families of bars, TOPIX and the master, and those that become known by publication: flows, margin
trading, short selling, statements, events.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

from atft_pipeline.errors import ContractError
from atft_pipeline.features.column import Column, Feature, Kind, Scope
from atft_pipeline.features.families import (
    alpha158,
    cross_market,
    events,
    flow,
    liquidity,
    margin,
    market,
    sector,
    short_selling,
    statements,
    technical,
    volatility,
)

__all__ = ["CONTRACT", "FEATURES", "Column", "Contract", "Feature", "Kind", "Scope"]

VERSION = 1


@dataclass(frozen=True)
class Contract:
    """Columns in their fixed order.

    Raises:
        ContractError: a name that is there twice, or a family whose columns do not stand together.
    """

    version: int
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ContractError(f"columns named twice: {', '.join(twice)}.", remedy="Give each column its own name.")
        runs = [c.family for i, c in enumerate(self.columns) if i == 0 or self.columns[i - 1].family != c.family]
        if len(runs) > len(set(runs)):
            raise ContractError(
                f"families interleave: {', '.join(runs)}.", remedy="Put the columns of a family beside each other."
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """Families in order."""
        return tuple(dict.fromkeys(column.family for column in self.columns))

    @cached_property
    def warmup(self) -> int:
        """Sessions before the first row that any column depends on."""
        return max((column.warmup for column in self.columns), default=0)

    @cached_property
    def endpoints(self) -> tuple[str, ...]:
        """Raw tables that the columns are made from, sorted."""
        return tuple(sorted({endpoint for column in self.columns for endpoint in column.endpoints}))

    @cached_property
    def hash(self) -> str:
        """blake2b over the version and every field of every column: another promise is another hash."""
        text = json.dumps([self.version, *(asdict(column) for column in self.columns)], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def __getitem__(self, name: str) -> Column:
        """The column of this name.

        Raises:
            ContractError: no such column.
        """
        if name not in self.names:
            raise ContractError(
                f"column = {name!r} is not in the contract ({len(self.columns)} columns).",
                remedy="See `.names` for the columns there are.",
            )
        return self.columns[self.names.index(name)]

    def select(self, families: Iterable[str]) -> Contract:
        """The contract of some families, in its own order.

        Raises:
            ContractError: an unknown family, or none.
        """
        wanted = tuple(families)
        unknown = [family for family in wanted if family not in self.families]
        if unknown or not wanted:
            raise ContractError(
                f"families = {wanted!r}: {', '.join(map(repr, unknown)) or 'none given'}; known are"
                f" {', '.join(self.families)}.",
                remedy="Correct features.families.",
            )
        return Contract(self.version, tuple(column for column in self.columns if column.family in wanted))

    def of(self, *, kinds: Iterable[Kind] = (), scopes: Iterable[Scope] = ()) -> tuple[Column, ...]:
        """Columns of these kinds and these scopes; an empty condition leaves none out."""
        wanted_kinds, wanted_scopes = tuple(kinds), tuple(scopes)
        return tuple(
            column
            for column in self.columns
            if (not wanted_kinds or column.kind in wanted_kinds)
            and (not wanted_scopes or column.scope in wanted_scopes)
        )


FEATURES: tuple[Feature, ...] = (
    *alpha158.FEATURES,
    *technical.FEATURES,
    *volatility.FEATURES,
    *liquidity.FEATURES,
    *market.FEATURES,
    *cross_market.FEATURES,
    *sector.FEATURES,
    *flow.FEATURES,
    *margin.FEATURES,
    *short_selling.FEATURES,
    *statements.FEATURES,
    *events.FEATURES,
)
"""Every column beside its function, in the contract's order."""

CONTRACT = Contract(VERSION, tuple(feature.column for feature in FEATURES))
