"""What is fixed before the code location loads: the preset, its source, the period, the months and the folds.

Dagster's partitions and assets are made from it, so it comes from the process's environment (`ATFT_PRESET`,
`ATFT_OVERRIDES`, `ATFT_*`) and cannot change while the location is loaded.
"""

from __future__ import annotations

import json
import os
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.contract import CONTRACT, Contract
from atft_pipeline.jquants.source import Source, open_source
from atft_pipeline.needs import require_endpoints, require_sessions, warmup_sessions, without_unserved
from atft_pipeline.settings import Settings, load_settings


@dataclass(frozen=True)
class Structure:
    """The fixed part of a deployment.

    Attributes:
        settings: the settings of the process; run config may change model, loss and training values only.
        source: where raw data comes from.
        switched_off: feature families that the settings name and the source's plan cannot serve; they are not in
            `settings.features.families` any more.
        calendar: sessions from `data_start` to the last known one.
        contract: the feature contract for the families of the settings.
        data_start: first session that is read.
        start: first session that is judged and trained on: `data_start` plus the warm-up.
        as_of: last session with data.
    """

    settings: Settings
    source: Source
    switched_off: tuple[str, ...]
    calendar: TradingCalendar
    contract: Contract
    data_start: date
    start: date
    as_of: date

    @property
    def fold_names(self) -> tuple[str, ...]:
        """`fold_0` .. of the purged folds, without `full`."""
        return tuple(f"fold_{i}" for i in range(self.settings.folds.n_folds))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any figure must know about the source."""
        told = {
            "Sessions that the source lacks, and was told to lack": self.settings.source.absent_sessions,
            "Feature families switched off, not served": self.switched_off,
        }
        return (
            *self.source.notes,
            *(f"{what}: {', '.join(map(str, which))}." for what, which in told.items() if which),
        )

    def days_of(self, months: Sequence[str]) -> tuple[date, date]:
        """First and last day of a run's range of months, inside [data_start, as_of]."""
        first, last = month_bounds(months[0])[0], month_bounds(months[-1])[1]
        return max(first, self.data_start), min(last, self.as_of)

    def calendar_rows(self) -> pl.DataFrame:
        """Every known day from `data_start` on with its HolDiv, the year to come included where it is known."""
        return self.source.calendar().filter(pl.col("Date") >= self.data_start)

    @property
    def warmup(self) -> int:
        """Sessions between `data_start` and `start`: what features and graphs look back on."""
        return warmup_sessions(self.settings)

    @property
    def warmup_months(self) -> int:
        """Months that surely hold the warm-up."""
        return months_of(self.warmup) + 1

    @property
    def label_sessions(self) -> int:
        """Sessions until the longest label of a session is known, entered at the next open."""
        return max(self.settings.targets.horizons) + 1

    @property
    def label_months(self) -> int:
        """Months after a month that surely hold the labels of its last session."""
        return months_of(self.label_sessions)


def months_of(sessions: int) -> int:
    """Months that surely hold so many sessions: a month has at least 17."""
    return -(-sessions // 17)


def month_bounds(month: str) -> tuple[date, date]:
    """First and last day of a partition key `2024-05`."""
    year, number = int(month[:4]), int(month[5:7])
    return date(year, number, 1), date(year, number, monthrange(year, number)[1])


def process_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of this process: preset, environment, and the overrides that `atft run --set` handed down."""
    environ = os.environ if environ is None else environ
    return load_settings(environ.get("ATFT_PRESET", "demo"), process_overrides(environ), environ=environ)


def process_overrides(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `--set` and `--source` handed down to this process and its children."""
    overrides: dict[str, Any] = json.loads((os.environ if environ is None else environ).get("ATFT_OVERRIDES", "{}"))
    return overrides


@cache
def structure() -> Structure:
    """The structure of this process, resolved once."""
    return resolve(process_settings())


def resolve(settings: Settings) -> Structure:
    """Fix the period on the source's sessions.

    Raises:
        SettingsError: the source holds too few sessions after the warm-up.
        EndpointMissing: a feature family, or the graph, needs an endpoint that the source does not offer.
    """
    source = open_source(settings)
    asked = settings.features.families
    if settings.source.kind == "jquants":
        settings = without_unserved(settings, source.endpoints)
    require_endpoints(settings, source.endpoints)
    whole = TradingCalendar.from_frame(source.calendar())
    first, last = source.first_session(), source.last_session()
    as_of = min(last, whole.at_or_before(settings.period.end)) if settings.period.end else last
    sessions = whole.between(max(first, settings.period.data_start or first), as_of)
    warmup = warmup_sessions(settings)
    wanted = settings.period.sessions or len(sessions) - warmup
    sessions = sessions[-(wanted + warmup) :]
    require_sessions(settings, sessions)
    return Structure(
        settings=settings,
        source=source,
        switched_off=tuple(name for name in asked if name not in settings.features.families),
        calendar=TradingCalendar(tuple(whole.between(sessions[0], whole.sessions[-1]))),
        contract=CONTRACT.select(settings.features.families),
        data_start=sessions[0],
        start=sessions[warmup],
        as_of=as_of,
    )
