"""All 306 columns of a long history in one backfill: `make bench-backfill`, 4,000 codes x 10 years.

A simulated market with every endpoint; raw data and universe are made first, then the features of all months, in a
process of its own as a user starts it. The memory of that process is the figure: it must not grow with the months.
The files take about 1.3 KB per stock and session, 16 GB for the whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.needs import warmup_sessions
from atft_pipeline.settings import load_settings
from benchmarks.stages import measure

SESSIONS_OF_A_YEAR = 245


def main() -> None:
    """Raw data and universe, then the backfill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", type=int, default=4000)
    parser.add_argument("--years", type=int, default=10, help="after the warm-up")
    parser.add_argument("--store", help="a folder on a large disk; a temporary one, if not given")
    given = parser.parse_args()
    sessions = given.years * SESSIONS_OF_A_YEAR
    market = {
        "source.simulator.n_codes": given.codes,
        "source.simulator.n_sessions": sessions + warmup_sessions(load_settings("demo")),
        "period.sessions": sessions,
        "universe.min_price": 0,
        "universe.min_trading_value": 0,
    }
    settings = [part for key, value in market.items() for part in ("--set", f"{key}={value}")]
    inputs = [part for name in (*ENDPOINTS, "universe") for part in ("--to", name)]
    print(f"{len(os.sched_getaffinity(0))} cores; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="atft-bench-", dir=given.store) as store:
        code = measure(store, "run", *inputs, *settings)
        sys.exit(code or measure(store, "backfill", "features", "--from", "2000-01", "--to", "2099-12", *settings))


if __name__ == "__main__":
    main()
