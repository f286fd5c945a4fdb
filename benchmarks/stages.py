"""Seconds, peak anonymous memory and megabytes of each stage of one run: `make bench-stages`.

The run is a process of its own in a fresh store, as a user starts it; this process reads its lines and, ten times a
second, its anonymous memory (files that are mapped, such as the Arrow cache, are no burden: the kernel drops them).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LINE = re.compile(r"^\[\s*\d+/\d+\] (?P<stage>\S+)\s+(?P<seconds>[\d.]+) s\s+(?P<rest>.*)$")
SAMPLE_SECONDS = 0.1


class MemoryWatch(threading.Thread):
    """Peak of RssAnon of one process since the last look, in MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._peak = 0.0

    def run(self) -> None:
        """Sample until the process is gone."""
        while self._status.exists():
            try:
                text = self._status.read_text()
            except ProcessLookupError:
                return
            found = re.search(r"RssAnon:\s+(\d+) kB", text)
            self._peak = max(self._peak, int(found.group(1)) / 1024 if found else 0.0)
            time.sleep(SAMPLE_SECONDS)

    def take(self) -> float:
        """The peak so far; starts anew."""
        peak, self._peak = self._peak, 0.0
        return peak


def measure(store: str, command: str, *arguments: str) -> int:
    """Run `atft <command>` and print a row per stage; gives its exit code."""
    started = [str(Path(sys.executable).with_name("atft")), command, "--set", f"store={store}", *arguments]
    began = time.monotonic()
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        watch = MemoryWatch(child.pid)
        watch.start()
        print(f"{'stage':<24}{'seconds':>9}{'peak MiB':>10}  output", flush=True)
        highest, tail = 0.0, []
        for line in child.stdout or ():
            match = LINE.match(line)
            if match:
                peak = watch.take()
                highest = max(highest, peak)
                print(f"{match['stage']:<24}{float(match['seconds']):>9.1f}{peak:>10.0f}  {match['rest']}", flush=True)
            elif not line.startswith("   "):
                tail.append(line.rstrip())
        highest = max(highest, watch.take())
    print(f"{'whole run':<24}{time.monotonic() - began:>9.1f}{highest:>10.0f}")
    print("\n".join(tail))
    return child.returncode


def main() -> None:
    """Every argument goes on to `atft run`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="atft-bench-") as store:
        sys.exit(measure(store, "run", *arguments))


if __name__ == "__main__":
    main()
