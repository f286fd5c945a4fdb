"""The state of an account: key, plan, window and clock, asked with one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from atft_pipeline.calendar import TOKYO
from atft_pipeline.errors import ApiError
from atft_pipeline.jquants.api.client import JQuantsClient
from atft_pipeline.jquants.api.clock import Clock, SystemClock
from atft_pipeline.jquants.api.credentials import find_key
from atft_pipeline.jquants.api.plans import PLANS, plan_of_window
from atft_pipeline.jquants.api.source import throttle_folder
from atft_pipeline.settings import Settings

MAX_SKEW = timedelta(minutes=2)
"""A clock that is further off asks before the data is there, or believes an answer for too long."""


def examine_account(
    settings: Settings, environ: Mapping[str, str], clock: Clock | None = None
) -> Iterator[tuple[str, str, str]]:
    """What was looked at, what was found, and the remedy; the remedy is empty where all is well."""
    api, clock = settings.source.api, clock or SystemClock()
    plan = PLANS[api.plan]
    try:
        key = find_key(environ, api.key_file)
        yield "key", f"found, {key}", ""
        with JQuantsClient(
            api.base_url, key, api.plan, throttle_folder(environ), clock=clock, timeout_seconds=api.timeout_seconds
        ) as client:
            window = client.window()
            skew = client.skew
    except ApiError as error:
        yield "API", error.problem, error.remedy
        return
    yield "API", f"{api.base_url} accepts the key", ""
    if window is None:
        first, last = plan.window(clock.now().astimezone(TOKYO).date())
        yield "plan", f"{plan.name} by the settings; the API did not say its window, {first} to {last} is assumed", ""
    else:
        found = plan_of_window(*window)
        says = f"{window[0]} to {window[1]}, which is plan {found or 'unknown'}; the settings say {plan.name}"
        yield "plan", says, "" if found in (plan.name, None) else f"Run with --set source.api.plan={found}."
    if skew is not None:
        off = abs(skew) > MAX_SKEW
        says = f"{abs(skew).total_seconds():.0f} s {'behind' if skew > timedelta(0) else 'ahead of'} the server"
        yield "clock", says, "Set the clock: timedatectl set-ntp true." if off else ""
