"""The nightly retrain: weekdays 19:30 Tokyo time, and only on days on which the exchange traded."""

from __future__ import annotations

import dagster as dg

from assets.raw import CALENDAR
from atft_pipeline.calendar import TOKYO, TradingCalendar
from jobs.jobs import nightly_retrain
from resources.io_manager import LakeResource
from resources.structure import structure

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


@dg.schedule(
    job=nightly_retrain,
    cron_schedule="30 19 * * 1-5",
    execution_timezone="Asia/Tokyo",
    description="19:30 JST on sessions: prices are out at 16:30, the next day's master at 17:30.",
)
def after_the_close(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
    """One run per session over the months that hold a session whose labels were still open yesterday."""
    today = context.scheduled_execution_time.astimezone(TOKYO).date()
    calendar = TradingCalendar.from_frame(structure().source.calendar())
    if today not in calendar:
        return dg.SkipReason(f"{today} is no session of the Tokyo Stock Exchange.")
    known = lake.open().manifest(CALENDAR)
    if known is None:
        return dg.SkipReason("Nothing was materialized yet: run the job `research` first (atft run).")
    open_since = calendar.sessions[max(calendar.position(today) - structure().label_sessions, 0)]
    first = max(open_since, structure().data_start)
    return dg.RunRequest(run_key=str(today), tags={RANGE_START: f"{first:%Y-%m}", RANGE_END: f"{today:%Y-%m}"})


SCHEDULES = [after_the_close]
