"""What can go wrong with an answer, one small class each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl
from starlette.exceptions import HTTPException

from atft_pipeline.jquants.twin.limits import Limits
from atft_pipeline.jquants.twin.parcel import Parcel

INVALID_KEY = "The API key is invalid or has expired."


class Effect:
    """Does nothing; each effect changes one of the things that pass by here, in this order."""

    def before(self, limits: Limits) -> None:
        """Refuse the request before it is read; raises HTTPException."""

    def rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of a page."""
        return rows

    def next_key(self, asked: str, following: str | None) -> str | None:
        """The pagination key that a page names, given the one it was asked with."""
        return following

    def body(self, body: bytes) -> bytes:
        """The JSON text of an answer."""
        return body

    def parcel(self, parcel: Parcel) -> Parcel:
        """What is sent."""
        return parcel


@dataclass(frozen=True)
class Status(Effect):
    """An answer with this status and no data."""

    code: int

    def before(self, limits: Limits) -> None:
        """Refuse."""
        raise HTTPException(self.code, f"Simulated answer {self.code}.")


class RateLimit(Effect):
    """429, as if others used the account."""

    def before(self, limits: Limits) -> None:
        """Refuse."""
        raise HTTPException(429, "Rate limit exceeded. Please try again later.")


class Block(Effect):
    """Five minutes in which everything is refused with 429, beginning with this request."""

    def before(self, limits: Limits) -> None:
        """Block the account; counting the request then refuses it."""
        limits.block()


class ExpiredKey(Effect):
    """403, as if the contract had ended."""

    def before(self, limits: Limits) -> None:
        """Refuse."""
        raise HTTPException(403, INVALID_KEY)


@dataclass(frozen=True)
class NewColumn(Effect):
    """Rows have one more column, with numbers."""

    name: str

    def rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the column at the end."""
        return rows.with_columns(pl.lit(1.5).alias(self.name))


@dataclass(frozen=True)
class MissingColumn(Effect):
    """Rows lack a column; rows that never had it stay as they are."""

    name: str

    def rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Leave the column out."""
        return rows.drop(self.name, strict=False)


@dataclass(frozen=True)
class UnreadableColumn(Effect):
    """A column holds text that is no number; rows without the column stay as they are."""

    name: str

    def rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Replace every value."""
        return rows.with_columns(pl.lit("n/a").alias(self.name)) if self.name in rows.columns else rows


class RepeatedKey(Effect):
    """A page names the key that it was asked with: whoever follows it never arrives."""

    def next_key(self, asked: str, following: str | None) -> str | None:
        """The key as asked; on a first page the right one."""
        return asked or following


class InvalidKey(Effect):
    """A page names a key that is refused."""

    def next_key(self, asked: str, following: str | None) -> str | None:
        """The right key, damaged."""
        return following and following[::-1]


class WrongJson(Effect):
    """Half of the JSON text, as if it were all of it."""

    def body(self, body: bytes) -> bytes:
        """The first half."""
        return body[: len(body) // 2]


@dataclass(frozen=True)
class Timeout(Effect):
    """The answer is held back."""

    seconds: float

    def parcel(self, parcel: Parcel) -> Parcel:
        """Hold it."""
        return replace(parcel, hold=self.seconds)


@dataclass(frozen=True)
class Drip(Effect):
    """The body comes in small pieces."""

    seconds: float

    def parcel(self, parcel: Parcel) -> Parcel:
        """Spread it."""
        return replace(parcel, drip=self.seconds)


class Cut(Effect):
    """The connection closes after half of the promised bytes."""

    def parcel(self, parcel: Parcel) -> Parcel:
        """Cut it."""
        return replace(parcel, cut=True)


class TruncatedGzip(Effect):
    """Half of the compressed bytes, their number said rightly: only unpacking shows it."""

    def parcel(self, parcel: Parcel) -> Parcel:
        """The first half."""
        return replace(parcel, content=parcel.content[: len(parcel.content) // 2])


class CorruptGzip(Effect):
    """One byte in the middle of the compressed bytes is another."""

    def parcel(self, parcel: Parcel) -> Parcel:
        """Flip its bits."""
        middle = len(parcel.content) // 2
        flipped = bytes([parcel.content[middle] ^ 0xFF])
        return replace(parcel, content=parcel.content[:middle] + flipped + parcel.content[middle + 1 :])


@dataclass(frozen=True)
class LateFins(Effect):
    """Statements come this many hours later than they should; a matter of publication, not of one answer."""

    hours: float
