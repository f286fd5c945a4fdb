"""One simulated market: its names, latent returns and tape, drawn when first used."""

from __future__ import annotations

from datetime import date
from functools import cached_property, lru_cache

import numpy as np

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.jquants.simulated_calendar import calendar_frame, sessions_until
from atft_pipeline.jquants.simulated_names import Names, draw_names
from atft_pipeline.jquants.simulated_prices import Tape, print_tape
from atft_pipeline.jquants.simulated_returns import Latent, draw_latent
from atft_pipeline.sections import SimulatorSettings


class SimulatedMarket:
    """A function of the settings alone: the same settings give the same bytes.

    Attributes:
        settings: size, dates, seed and effects.
        sessions: the D sessions, ascending; the last is `last_session` or the one before it.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.sessions: tuple[date, ...] = sessions_until(settings.last_session, settings.n_sessions)

    @cached_property
    def calendar(self) -> TradingCalendar:
        """Sessions of whole years, from the one before the first session's to the one after the last session's."""
        return TradingCalendar.from_frame(calendar_frame(self.sessions[0], self.sessions[-1]))

    @cached_property
    def names(self) -> Names:
        """The C axis."""
        return draw_names(self.settings.n_codes, self.sessions, self.settings.seed)

    @cached_property
    def latent(self) -> Latent:
        """Shocks and planted drift."""
        return draw_latent(self.names, len(self.sessions), self.settings)

    @cached_property
    def tape(self) -> Tape:
        """Prices and volumes as published."""
        return print_tape(self.names, self.latent, self.settings.seed)

    @property
    def clusters(self) -> tuple[tuple[str, ...], ...]:
        """Codes of each hidden cluster, its leader first."""
        names = self.names
        followers = [np.flatnonzero((names.leader == head) & names.follows) for head in np.flatnonzero(names.is_leader)]
        return tuple(
            (names.codes[head], *(names.codes[i] for i in behind))
            for head, behind in zip(np.flatnonzero(names.is_leader), followers, strict=True)
        )

    def days(self, start: date, end: date) -> slice:
        """Positions of the sessions in [start, end]."""
        inside = self.calendar.between(max(start, self.sessions[0]), min(end, self.sessions[-1]))
        first = self.calendar.position(self.sessions[0])
        return (
            slice(0, 0)
            if not inside
            else slice(self.calendar.position(inside[0]) - first, self.calendar.position(inside[-1]) - first + 1)
        )


@lru_cache(maxsize=2)
def simulated_market(settings: SimulatorSettings) -> SimulatedMarket:
    """The market of these settings, made once per process."""
    return SimulatedMarket(settings)
