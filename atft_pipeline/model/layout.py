"""Where each feature family and each return-like column lies in the input's last axis."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from atft_pipeline.features.contract import Contract


@dataclass(frozen=True)
class InputLayout:
    """All that the network knows of the feature contract, whose families stand together and in order.

    Attributes:
        families: names of the G families, in the order of the family mask.
        widths: number of columns of each family.
        return_like: positions of daily return, overnight return and intraday gap: the adaptive norm's channels.
    """

    families: tuple[str, ...]
    widths: tuple[int, ...]
    return_like: tuple[int, ...]

    @property
    def width(self) -> int:
        """F, the number of columns."""
        return sum(self.widths)

    @classmethod
    def of(cls, contract: Contract) -> InputLayout:
        """Layout of a contract."""
        runs = [(family, len(list(run))) for family, run in groupby(column.family for column in contract.columns)]
        return cls(
            families=tuple(family for family, _ in runs),
            widths=tuple(width for _, width in runs),
            return_like=tuple(place for place, column in enumerate(contract.columns) if column.return_like),
        )
