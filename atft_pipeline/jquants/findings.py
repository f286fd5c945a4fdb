"""What is wrong with market data and what is merely odd, in words that lead to the file, the column and the row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from atft_pipeline.errors import BadData

SHOWN = 20
"""Problems that a message spells out; the rest are counted."""


@dataclass(frozen=True)
class Problem:
    """One rule that one file breaks.

    Attributes:
        file: the file's name inside its folder, or the name of the source.
        column: the column, or several with commas; empty if the file as a whole is meant.
        row: the first row that breaks the rule, counted from 1 without the header; 0 if no row can be named.
        says: what stands there, with its value.
        limit: what would be right.
        remedy: what to do, as an imperative sentence.
        count: how many rows of the file break the rule.
    """

    file: str
    column: str
    row: int
    says: str
    limit: str
    remedy: str
    count: int = 1

    def __str__(self) -> str:
        place = [
            self.file,
            *([f"column {self.column}"] if self.column else []),
            *([f"row {self.row}"] * (self.row > 0)),
        ]
        rest = f" ({self.count:,} rows; the first is named)" if self.count > 1 else ""
        return f"{', '.join(place)}: {self.says}; {self.limit}{rest}"


@dataclass(frozen=True)
class Oddity:
    """Rows that are odd and yet usable: what they are, in the plural, how many there are, and one of them."""

    says: str
    count: int
    example: str = ""

    def __str__(self) -> str:
        return f"{self.says}: {self.count:,}" + (f", such as {self.example}" if self.example else "")


@dataclass(frozen=True)
class Findings:
    """Problems, which stop a run, and oddities, which are counted."""

    problems: tuple[Problem, ...] = ()
    oddities: tuple[Oddity, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        """Both; the same rule broken again in the same file, or the same oddity, is counted up."""
        problems: dict[tuple[str, str, str, str], Problem] = {}
        for problem in (*self.problems, *other.problems):
            key = (problem.file, problem.column, problem.limit, "" if problem.row else problem.says)
            known = problems.get(key)
            counted = known is not None and known.row != problem.row
            problems[key] = replace(known, count=known.count + problem.count) if known and counted else known or problem
        oddities: dict[str, Oddity] = {}
        for oddity in (*self.oddities, *other.oddities):
            seen = oddities.get(oddity.says)
            oddities[oddity.says] = replace(seen, count=seen.count + oddity.count) if seen else oddity
        return Findings(tuple(problems.values()), tuple(oddities.values()))


@dataclass(frozen=True)
class Places:
    """Where the rows of a frame stand.

    Attributes:
        labels: names of the files.
        file: for each row the position of its file in `labels`.
        row: for each row its number in that file, from 1.
    """

    labels: tuple[str, ...]
    file: pl.Series
    row: pl.Series

    @classmethod
    def without_files(cls, source: str, rows: int) -> Places:
        """Rows of a source that has no files are numbered as they were given."""
        return cls((source,), pl.repeat(0, rows, dtype=pl.UInt32, eager=True), pl.int_range(1, rows + 1, eager=True))

    def filter(self, kept: pl.Series) -> Places:
        """The places of the rows that are kept."""
        return Places(self.labels, self.file.filter(kept), self.row.filter(kept))

    def of(self, broken: pl.Series) -> list[tuple[str, int, int, int]]:
        """For each file with broken rows: its name, the position in the frame and the number of the first, the count.

        A row of a snapshot that stands for many sessions counts once.
        """
        found = pl.DataFrame(
            {"at": broken.arg_true(), "file": self.file.filter(broken), "row": self.row.filter(broken)}
        )
        groups = found.group_by("file").agg(
            pl.col("at").get(pl.col("row").arg_min()), pl.col("row").min(), n=pl.col("row").n_unique()
        )
        return [(self.labels[file], at, row, n) for file, at, row, n in groups.sort("file").iter_rows()]


def bad_data(subject: str, problems: Sequence[Problem]) -> BadData:
    """The error that tells of all problems at once: at most `SHOWN` of them, and how many more there are."""
    files = len({problem.file for problem in problems})
    lines = [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    head = f"{subject}: {_number(len(problems), 'problem')} in {_number(files, 'file')}"
    remedies = dict.fromkeys(problem.remedy for problem in problems[:SHOWN])
    return BadData("\n".join([head, *lines]), remedy=" ".join(remedies))


def raise_if_bad(subject: str, problems: Iterable[Problem]) -> None:
    """Nothing if there is no problem.

    Raises:
        BadData: with every problem.
    """
    if found := tuple(problems):
        raise bad_data(subject, found)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + "s" * (count != 1)
