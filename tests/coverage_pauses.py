"""Measures the coverage of the tests that reach something new, and only of these.

The tracer of coverage more than doubles the time of a test. Most rows of a table reach only the lines and
branches that the rows before them reached. So the first row of each test function is measured, and the next rows
while one of the last `QUIET` tests of the file reached a new line or branch. Collection, and pytest's work between
the tests, are not measured. The result can be lower than that of a full measurement, but never higher:
`.ci/test` measures every row (MEASURE_EVERY_ROW=1) before it says that coverage is too low.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator, Iterable
from typing import Protocol

import pytest

import etpguard

QUIET = 5
"""So many tests of a file in a row that reach nothing new end the measurement of the rows of its tables."""


class Tracer(Protocol):
    """What this module needs of pytest-cov: a test double has it too."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def reached(self) -> int:
        """How many lines and branches were reached so far."""


class PytestCov:
    """The tracer of pytest-cov. What was reached is a private attribute: the public way writes it to a file."""

    def __init__(self, plugin: object) -> None:
        self._controller = plugin.cov_controller  # type: ignore[attr-defined]
        self.pause = self._controller.pause
        self.resume = self._controller.resume

    def reached(self) -> int:
        return sum(map(len, list(self._controller.cov._collector.data.values())))


class Choice:
    """Which test is measured."""

    def __init__(self) -> None:
        self._file, self._function, self._quiet = "", "", 0

    def measures(self, file: str, function: str) -> bool:
        """`function` is the node id without the row of the table. The tests of a file run one after the other."""
        if file != self._file:
            self._file, self._quiet = file, 0
        first = function != self._function
        self._function = function
        return first or self._quiet < QUIET

    def found(self, new: bool) -> None:
        """Whether the test that was measured last reached something new."""
        self._quiet = 0 if new else self._quiet + 1


class CoveragePauses:
    """The plugin. Each process that runs tests has one."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._choice = Choice()
        self._tracer: Tracer | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """pytest-cov starts when the session starts. What modules run when they are imported is measured first."""
        if controller_of(self._config) is not None:
            import_all(etpguard.__path__)
            self._tracer = PytestCov(self._config.pluginmanager.getplugin("_cov"))
            self._tracer.pause()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if self._tracer is None:
            return (yield)
        function, _, _ = item.nodeid.partition("[")
        if item.get_closest_marker("no_cover") or not self._choice.measures(str(item.path), function):
            result = yield
            self._tracer.pause()  # pytest-cov resumes after a test with the marker
            return result
        before = self._tracer.reached()
        self._tracer.resume()
        try:
            return (yield)
        finally:
            self._tracer.pause()
            self._choice.found(self._tracer.reached() > before)


def controller_of(config: pytest.Config) -> object | None:
    """Of pytest-cov, where it measures: not in the process that only hands the tests to workers."""
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no":
        return None
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)


def import_all(path: Iterable[str]) -> None:
    """Every module of the package."""
    for module in pkgutil.walk_packages(path, "etpguard."):
        importlib.import_module(module.name)
