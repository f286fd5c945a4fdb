"""The twin behind an address of this machine, until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta

import uvicorn

from atft_pipeline.calendar import TOKYO
from atft_pipeline.errors import SettingsError
from atft_pipeline.jquants.api.clock import Clock, SystemClock
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.plan_names import PlanName
from atft_pipeline.jquants.simulated_calendar import sessions_until
from atft_pipeline.jquants.twin.app import Twin, build_app
from atft_pipeline.jquants.twin.clocks import PretendedClock
from atft_pipeline.jquants.twin.faults import FaultPlan
from atft_pipeline.sections import SimulatorSettings

HOST = "127.0.0.1"
EVENING = time(20)
"""Where the clock stands on a given last session: all but the second half of the day's statements is out."""


def simulated_twin(
    *,
    codes: int,
    sessions: int,
    last_session: date | None,
    now: datetime | None,
    plan: PlanName,
    key: str,
    page_rows: int,
    faults: Sequence[str],
) -> Twin:
    """A twin from the options of the command line.

    Args:
        codes: names on the market.
        sessions: sessions of the market.
        last_session: its last session, or a later day before the next one; None for the latest whose bars are out.
        now: the pretended moment, Tokyo time if naive; None for the present, or for 20:00 of a given last session.
        plan: see `Twin`.
        key: see `Twin`.
        page_rows: see `Twin`.
        faults: see `FaultPlan.parse`.

    Raises:
        SettingsError: a fault cannot be read, or `now` lies before the market's first session.
    """
    if now is None and last_session is not None:
        now = datetime.combine(sessions_until(last_session, 1)[0], EVENING)
    clock = SystemClock() if now is None else PretendedClock(now if now.tzinfo else now.replace(tzinfo=TOKYO))
    last = sessions_until(last_session or _day_with_bars(clock), 1)[0]
    first = sessions_until(last, sessions)[0]
    if clock.now() < datetime.combine(first, time(0), TOKYO):
        raise SettingsError(
            f"--now {now} lies before {first}, the first of {sessions} sessions until {last}.",
            remedy="Give a later --now, an earlier --last-session or more --sessions.",
        )
    market = SimulatorSettings(n_codes=codes, n_sessions=sessions, last_session=last)
    return Twin(market, plan, key, page_rows, clock, FaultPlan.parse(faults))


def serve(twin: Twin, port: int, say: Callable[[str], object]) -> None:
    """Serve a twin on 127.0.0.1 until Ctrl-C.

    Args:
        twin: what to serve.
        port: 0 for any free one.
        say: takes the lines for the reader, once the port is taken.

    Raises:
        SettingsError: the port cannot be had.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise SettingsError(
            f"--port {port} on {HOST} cannot be had: {error.strerror}.",
            remedy="Give another --port, or end the process that holds this one.",
        ) from error
    with listening:
        server = uvicorn.Server(uvicorn.Config(build_app(twin), log_level="warning"))
        say(introduction(twin, listening.getsockname()[1]))
        with suppress(KeyboardInterrupt):  # raised again by uvicorn at its end, unless a shell has it ignored
            server.run(sockets=[listening])
        say("Ended.")


def introduction(twin: Twin, port: int) -> str:
    """What the reader needs: the address, the key, the market and its clock, and the commands to try it."""
    sessions = sessions_until(twin.market.last_session, twin.market.n_sessions)
    address = f"http://{HOST}:{port}/v2"
    now = twin.clock.now().astimezone(TOKYO)
    keys = {"source.api.base_url": address, "source.api.plan": twin.plan}
    keys |= {"period.data_start": str(sessions[0]), "period.end": str(sessions[-1])}
    return (
        f"Simulated J-Quants API V2 on {address}, plan {twin.plan}; Ctrl-C ends it.\n"
        f"{twin.market.n_codes} codes, {len(sessions)} sessions, {sessions[0]} to {sessions[-1]};"
        f" the clock stands at {now:%Y-%m-%d %H:%M} in Tokyo.\n\n"
        f"export JQUANTS_API_KEY={twin.key}\n"
        f"atft run --preset jquants {' '.join(f'--set {name}={value}' for name, value in keys.items())}"
    )


def _day_with_bars(clock: Clock) -> date:
    """Today in Tokyo once its bars would be out, otherwise the day before."""
    local = clock.now().astimezone(TOKYO)
    out = max(ENDPOINTS["daily_bars"].updated_at)
    return local.date() if local.time() >= out else local.date() - timedelta(days=1)
