"""A few tasks at a time, in threads that never hold up the end of the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence


def side_by_side(tasks: Sequence[Callable[[], None]], workers: int) -> Iterator[None]:
    """Run the tasks, `workers` at a time, and give one step for each that has ended.

    When one fails, or the caller is interrupted, no further task begins; those under way are left alone. Their threads
    are daemons: a worker in the middle of a wait of minutes does not keep a process alive that was told to stop.

    Raises:
        BaseException: what the first task that failed has raised.
    """
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        while not given_up.is_set():
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                task()
            except BaseException as error:  # handed to the caller
                ended.put(error)
                return
            ended.put(None)

    for task in tasks:
        waiting.put(task)
    for _ in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True, name="jquants").start()
    try:
        for _ in tasks:
            failure = ended.get()
            if failure is not None:
                raise failure
            yield
    finally:
        given_up.set()
