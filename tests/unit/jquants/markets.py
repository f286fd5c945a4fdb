"""Markets that the tests share: the demo's, and a small one."""

from __future__ import annotations

from datetime import date

from atft_pipeline.sections import SimulatorSettings

DEMO = SimulatorSettings()
SMALL = SimulatorSettings(n_codes=60, n_sessions=160, last_session=date(2022, 6, 30))
"""Around 2022-04-04, when the sections were renamed."""

DAILY_MARGIN = SimulatorSettings(n_codes=20, n_sessions=60, last_session=date(2026, 10, 30))
"""Around 2026-09-25, when margin balances became daily."""
