"""`etpguard check --watch`: repeat the report until a signal."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import NamedTuple

from etpguard.cli.check import CheckRequest, exit_code, read
from etpguard.cli.output.streams import complain, narrate
from etpguard.cli.reading import Reading
from etpguard.objects.times import rfc3339

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_HOME_AND_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


class Signal(int):
    """The number of a signal that ends the command."""


class Shown(NamedTuple):
    """What a line of `--watch` says about a Service."""

    outcome: str
    uncovered: int
    eligible: int

    def __str__(self) -> str:
        return f"{self.outcome} {self.uncovered}/{self.eligible}" if self.eligible else self.outcome


def watch(request: CheckRequest, interval: float) -> int:
    """Read and show the report, wait for `interval` seconds, and begin again, until SIGINT or SIGTERM.

    Returns the exit code of what was shown last. Raises Failure if the first read fails. If a later read fails, a
    line on stderr says so, and the report on the screen stays.
    """
    news: SimpleQueue[Reading | Exception | Signal] = SimpleQueue()  # its put is safe in a signal handler
    for number in SIGNALS:
        signal.signal(number, lambda received, _: news.put(Signal(received)))
    show = Screen(request, interval).show if sys.stdout is not None and sys.stdout.isatty() else Lines().show
    return follow(news, lambda: _start(request, news), show, request.fail_on, interval)


def follow(
    news: SimpleQueue[Reading | Exception | Signal],
    start: Callable[[], None],
    show: Callable[[Reading, str], None],
    fail_on: str,
    interval: float,
) -> int:
    """`start` begins a read; its result arrives in `news`. `show` gets the result, and a problem or ""."""
    last: Reading | None = None
    problem = ""
    while True:
        start()
        came = news.get()
        if isinstance(came, Reading):
            last, problem = came, ""
            del came
            show(last, "")
            gc.collect()  # the objects of the last read: `check` turns the garbage collector off
        elif isinstance(came, Exception):
            if last is None:
                raise came
            if str(came) != problem:
                problem = str(came)
                show(last, problem)
        else:
            return exit_code(last, fail_on) if last else 128 + came
        try:
            while not isinstance(news.get(timeout=interval), Signal):
                pass
        except Empty:
            if sys.stdout is None:  # nobody reads any more
                return exit_code(last, fail_on)
        else:
            return exit_code(last, fail_on)


def _start(request: CheckRequest, news: SimpleQueue[Reading | Exception | Signal]) -> None:
    def run() -> None:
        try:
            news.put(read(request))
        except Exception as error:  # the main thread would wait for ever
            news.put(error)

    threading.Thread(target=run, daemon=True, name="read").start()


class Screen:
    """The table in place, on a terminal."""

    def __init__(self, request: CheckRequest, interval: float, wall: Callable[[], float] = time.time) -> None:
        self._request = request
        self._interval = interval
        self._wall = wall
        self._read_at = ""

    def show(self, reading: Reading, problem: str) -> None:
        from etpguard.cli.output import report

        if not problem:
            self._read_at = rfc3339(self._wall())
        print(f"{_HOME_AND_CLEAR}Read at {self._read_at}, and again every {self._interval:g} s. Ctrl-C ends.\n")
        report.write(reading, self._request.output, self._request.max_nodes, self._request.fail_on)
        for cluster, why in reading.failed.items():
            complain(f"etpguard: {cluster}: {' '.join(why.split())}")
        if problem:
            complain(f"etpguard: warning: this is of {self._read_at}: {' '.join(problem.split())}")
        sys.stdout.flush()


class Lines:
    """A line for each change, for a pipe or a log. The first lines are the state at the start."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._before: Mapping[str, Shown] = {}
        self._failed: Mapping[str, str] = {}

    def show(self, reading: Reading, problem: str) -> None:
        if problem:
            complain(f"etpguard: warning: {' '.join(problem.split())}")
            return
        for cluster, why in reading.failed.items():
            if self._failed.get(cluster) != why:
                complain(f"etpguard: {cluster}: {' '.join(why.split())}")
        self._failed = reading.failed
        now = shown(reading)
        # If a cluster cannot be read now, its last state stays.
        lost = {name: each for name, each in self._before.items() if name.partition(" ")[0] in reading.failed}
        for line in changes(self._before, {**lost, **now}):
            narrate(f"{rfc3339(self._wall())} {line}")
        self._before = {**lost, **now}


def shown(reading: Reading) -> dict[str, Shown]:
    """What to show for each Service, by its name. With several clusters the name of the cluster comes first."""
    return {
        f"{each.cluster} {assessment.key}".lstrip(): Shown(
            assessment.outcome.name, assessment.uncovered.bit_count(), assessment.eligible.bit_count()
        )
        for each in reading.reports
        for assessment in each.chosen
    }


def changes(before: Mapping[str, Shown], now: Mapping[str, Shown]) -> Iterator[str]:
    """A line for each Service that is new, has changed, or is not reported any more, sorted."""
    for name in sorted(before.keys() | now.keys()):
        was, is_ = before.get(name), now.get(name)
        if was == is_:
            continue
        if is_ is None:
            yield f"{name}: {was} -> not reported"
        else:
            yield f"{name}: {was} -> {is_}" if was else f"{name}: {is_}"
