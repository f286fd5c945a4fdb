"""The frozen fold table: which sessions train, validate, test and are held out, and an independent check of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.splits import Fold, PurgedKFold, purge
from atft_pipeline.sections import FoldSettings

FILE = "fold_table.json"
HOLDOUT = "holdout"
"""Fold name of predictions for the held-out sessions, by models trained on sessions before them."""


class Overlap(NamedTuple):
    """A training session too close to a session that is held out from it."""

    fold: str
    role: str
    train_day: date
    held_out_day: date


@dataclass(frozen=True)
class FoldTable:
    """Dates of every fold. Boundaries are dates, so a later session changes nothing here: it belongs to no fold.

    Attributes:
        horizon: sessions of the longest label; the label of day t occupies [t, t + horizon].
        embargo: sessions dropped after the last label of a test or validation block.
        lookback: sessions that features reach back to, 0 where features may touch.
        sessions: every session from the first fold date to the last session known when the table was cut.
        folds: train (validation taken out), validation and test of each fold.
        full_train: every session from the first on with a realized label; the live model trains on them.
        holdout: the last sessions with a realized label, read by no fold.
    """

    horizon: int
    embargo: int
    lookback: int
    sessions: tuple[date, ...]
    folds: tuple[Fold, ...]
    full_train: tuple[date, ...]
    holdout: tuple[date, ...]

    @classmethod
    def build(
        cls, sessions: Sequence[date], labelled: Sequence[date], settings: FoldSettings, *, first: date | None = None
    ) -> Self:
        """Cut the table.

        Args:
            sessions: trading sessions, ascending; the unit of every distance.
            labelled: sessions whose label of `settings.horizon` sessions is realized.
            settings: section `folds`.
            first: first session that a fold may hold, i.e. the one with a whole model window behind it.

        Raises:
            EvaluationError: a labelled date is no session, or too few sessions are left for the folds.
        """
        position = {day: i for i, day in enumerate(sessions)}
        if unknown := sorted(set(labelled) - position.keys()):
            raise EvaluationError(
                f"labelled holds {len(unknown)} dates that are no sessions, first {unknown[0]}.",
                remedy="Give labels and calendar of the same exchange and period.",
            )
        usable = [day for day in labelled if first is None or day >= first]
        if settings.holdout >= len(usable):
            raise EvaluationError(
                f"folds.holdout = {settings.holdout} leaves none of the {len(usable)} labelled sessions to the folds.",
                remedy="Choose a longer period or a shorter folds.holdout.",
            )
        cut = len(usable) - settings.holdout
        holdout, rest = tuple(usable[cut:]), usable[:cut]
        if holdout:
            reach = max(settings.horizon, settings.lookback)
            rest = [day for day in rest if position[day] + reach < position[holdout[0]]]
        splitter = PurgedKFold(settings.n_folds, settings.horizon, settings.embargo, settings.lookback)
        folds = tuple(_with_validation(fold, position, settings) for fold in splitter.split(rest))
        kept = tuple(day for day in sessions if day >= usable[0])
        return cls(settings.horizon, settings.embargo, settings.lookback, kept, folds, tuple(usable), holdout)

    @property
    def before_holdout(self) -> tuple[date, ...]:
        """Every fold date, ascending: what a model scored on the holdout may train on."""
        return tuple(sorted(chain.from_iterable(fold.test for fold in self.folds)))

    @property
    def train_dates(self) -> dict[str, tuple[date, ...]]:
        """Every date that touched a fitted number (early stopping included), by fold name, `holdout` and `full`."""
        dates = {fold.name: tuple(sorted(fold.train + fold.validation)) for fold in self.folds}
        return dates | {HOLDOUT: self.before_holdout, "full": self.full_train}

    def overlaps(self) -> list[Overlap]:
        """Training sessions that a purge should have dropped; empty for a sound table.

        Written apart from the splitter, session by session: a training day offends a held-out day t if the sets of
        sessions {s .. s+h} and {t .. t+h} share one, if s follows t + h by `embargo` or less, or, with a lookback,
        if the sets {s-lookback .. s} and {t-lookback .. t} share one.
        """
        found = []
        for fold in self.folds:
            pairs = [("test", fold.train, fold.test), ("validation", fold.train, fold.validation)]
            pairs += [("validation_test", fold.validation, fold.test)]
            pairs += [("holdout", fold.train + fold.validation + fold.test, self.holdout)]
            for role, train, held_out in pairs:
                found += self._offenders(fold.name, role, train, held_out)
        return found

    def _offenders(self, fold: str, role: str, train: Sequence[date], held_out: Sequence[date]) -> list[Overlap]:
        position = {day: i for i, day in enumerate(self.sessions)}
        taken: dict[int, date] = {}
        seen: dict[int, date] = {}
        for day in held_out:
            start = position[day]
            taken |= dict.fromkeys(range(start, start + self.horizon + 1), day)
            seen |= dict.fromkeys(range(start - self.lookback, start + 1), day)
        embargoed = {p + k: day for p, day in taken.items() for k in range(1, self.embargo + 1)}
        found = []
        for day in train:
            start = position[day]
            touched = [taken[p] for p in range(start, start + self.horizon + 1) if p in taken]
            touched += [embargoed[start]] if start in embargoed else []
            if self.lookback:
                touched += [seen[p] for p in range(start - self.lookback, start + 1) if p in seen]
            if touched:
                found.append(Overlap(fold, role, day, touched[0]))
        return found

    def to_frame(self) -> pl.DataFrame:
        """One row per fold: name, counts, and first and last date of the test block."""
        rows = [
            {
                "fold": fold.name,
                "train": len(fold.train),
                "validation": len(fold.validation),
                "test": len(fold.test),
                "test_start": fold.test[0],
                "test_end": fold.test[-1],
            }
            for fold in self.folds
        ]
        if self.holdout:
            ends = {"test_start": self.holdout[0], "test_end": self.holdout[-1]}
            known = {"train": len(self.before_holdout), "validation": 0, "test": len(self.holdout)}
            rows.append({"fold": HOLDOUT, **known, **ends})
        return pl.DataFrame(rows)

    def save(self, directory: Path) -> None:
        """Write `fold_table.json`: dates in ISO form, ascending, one byte form for equal tables."""
        text = json.dumps(asdict(self), default=date.isoformat, indent=1, sort_keys=True)
        (directory / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""
        tree = json.loads((directory / FILE).read_text(encoding="utf-8"))
        folds = tuple(
            Fold(entry["name"], _days(entry["train"]), _days(entry["test"]), _days(entry["validation"]))
            for entry in tree["folds"]
        )
        return cls(
            horizon=int(tree["horizon"]),
            embargo=int(tree["embargo"]),
            lookback=int(tree["lookback"]),
            sessions=_days(tree["sessions"]),
            folds=folds,
            full_train=_days(tree["full_train"]),
            holdout=_days(tree["holdout"]),
        )


def _days(texts: Sequence[str]) -> tuple[date, ...]:
    return tuple(date.fromisoformat(text) for text in texts)


def _with_validation(fold: Fold, position: dict[date, int], settings: FoldSettings) -> Fold:
    """The last share of the purged training sessions becomes validation and is purged from the rest."""
    n_validation = max(1, round(settings.validation_share * len(fold.train)))
    validation = fold.train[len(fold.train) - n_validation :]
    rest = {position[day]: day for day in fold.train[: len(fold.train) - n_validation]}
    kept = purge(
        np.array(list(rest), dtype=np.int64),
        np.array([position[day] for day in validation], dtype=np.int64),
        horizon=settings.horizon,
        embargo=settings.embargo,
        lookback=settings.lookback,
    )
    if not len(kept):
        raise EvaluationError(
            f"{fold.name} has no training session left beside its {n_validation} validation sessions.",
            remedy="Choose a longer period, fewer folds, or a smaller folds.validation_share.",
        )
    return Fold(fold.name, tuple(rest[int(i)] for i in kept), fold.test, validation)
