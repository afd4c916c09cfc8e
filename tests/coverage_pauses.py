"""Measures the coverage of the tests that reach something new, and only of these.

The tracer of coverage more than doubles the time of a test. Most rows of a long table reach only the lines and
branches that the rows before them reached. So the measurement of a table ends after `QUIET` rows in a row that
reach no new line or branch. The teardown of a test, and pytest's work between the tests, are not measured. The
result can be lower than that of a full measurement, but never higher: `.ci/test` measures every row
(MEASURE_EVERY_ROW=1) before it says that coverage is too low.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator
from typing import Any, Protocol

import pytest

import etpguard

QUIET = 10


class Tracer(Protocol):
    """What this module needs of pytest-cov."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def reached(self) -> int:
        """How many lines and branches were reached so far."""


class PytestCov:
    """The tracer of pytest-cov. What was reached is a private attribute: the public way writes it to a file."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self.pause = controller.pause
        self.resume = controller.resume

    def reached(self) -> int:
        return sum(map(len, list(self._controller.cov._collector.data.values())))


class Choice:
    """Which test is measured."""

    def __init__(self) -> None:
        self._function, self._quiet = "", 0

    def measures(self, function: str) -> bool:
        """`function` is the node id without the row of the table. The rows of a table run one after the other."""
        if function != self._function:
            self._function, self._quiet = function, 0
        return self._quiet < QUIET

    def found(self, new: bool) -> None:
        """Whether the test that was measured last reached something new."""
        self._quiet = 0 if new else self._quiet + 1


class CoveragePauses:
    """The plugin. Each process that runs tests has one. pytest-cov starts when the session starts."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._choice = Choice()
        self._tracer: Tracer | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        result = yield
        if controller := controller_of(self._config):
            import_all()
            self._tracer = PytestCov(controller)
            self._tracer.pause()
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if self._tracer is None:
            return (yield)
        function, _, _ = item.nodeid.partition("[")
        if item.get_closest_marker("no_cover") or not self._choice.measures(function):
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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        if self._tracer is not None:
            self._tracer.pause()
        return (yield)


def import_all() -> None:
    """The modules that no test module has imported: a test that is not measured may be the first that does."""
    for module in pkgutil.walk_packages(etpguard.__path__, "etpguard."):
        importlib.import_module(module.name)


def controller_of(config: pytest.Config) -> Any:
    """Of pytest-cov, where it measures: not in the process that only hands the tests to workers."""
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no":
        return None
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
