"""What every test may use: one real control plane for the whole session, and a namespace for each test."""

from __future__ import annotations

import functools
import gc
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import devcluster
from devcluster import Cluster, MissingToolError, binaries
from devcluster.dataplane.nodes import MODES
from tests.arena import clear_namespace, own_cluster
from tests.examples import examples

if TYPE_CHECKING:
    from tests.page.browser import Browser, Tab

# No deadline: another process may have the processor for a while.
settings.register_profile("shared machine", max_examples=examples(100), deadline=None)
settings.load_profile("shared machine")

LONG = (
    "tests/dataplane",
    "tests/contract/test_take_over.py",
    "tests/app/test_faults.py",
    "tests/remediate/test_kills_live.py",
    "tests/publish",
    "tests/manifests/test_image.py",
    "tests/manifests/test_forbidden",
    "tests/docs/test_tutorial.py",
    "tests/manifests/test_hostile_tenant.py",
    "tests/remediate/test_forged_manager_live.py",
    "tests/demo",
    "tests/manifests/test_uninstall.py",
    "tests/foresight/test_drain_live.py",
    "tests/foresight/test_scale_in_live.py",
    "tests/remediate/test_ways_back_live.py",
    "tests/remediate/test_refusals_live.py",
    "tests/remediate/test_policy_verdict_live.py",
    "tests/remediate/test_hand_over_live.py",
    "tests/remediate/test_certainty_live.py",
    "tests/app/test_rolling_update.py",
    "tests/app/test_leading.py",
    "tests/manifests/test_install.py",
    "tests/docs/test_site.py",
)
"""Files and folders whose tests take about a minute or more together, the longest first: the last groups should be
short, or one worker goes on while the others have ended."""

SPREAD = frozenset(
    {
        "tests/contract/test_take_over.py",
        "tests/manifests/test_install.py",
        "tests/remediate/test_kills_live.py",
    }
)
"""Files whose tests share too little to run one after the other: each test function is a group."""

TOGETHER = {
    "site": r"tests/manifests/test_(forbidden_\w+|kubectl|metrics_tls|monitoring|permissions|schemas)\.py",
    "publish": r"tests/publish/test_\w+_live\.py",
    "remediate": (
        r"tests/remediate/test_(blackholes_only_live|examples|forged_manager_live|limits_live|namespaces_reread_live|"
        r"other_network_policies_live|policy_verdict_live)\.py"
    ),
}
"""Files that are one group, since they share a control plane, `site` or `arena`, which each worker would start and
keep."""

TRACEBACK_LINES = 40
"""Of a failed test, at most, in what `--failures` writes."""


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """What runs in one worker, one test after the other: the tests of a file, since they share fixtures. Tests of
    the data plane go by proxy mode, since a lab is started once for each. Groups start in order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file in SPREAD:
            return nodeid.partition("[")[0]
        mode = re.search(rf"\b({'|'.join(MODES)})\b", test) if file.startswith("tests/dataplane/") else None
        if mode:
            return mode[0]
        return next((group for group, files in TOGETHER.items() if re.fullmatch(files, file)), file)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--failures",
        type=Path,
        metavar="FOLDER",
        help="write node ids of failed tests to FOLDER/names, and the ends of tracebacks to FOLDER/tracebacks",
    )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What `.ci/test` prints last, and runs again."""
    folder: Path | None = config.getoption("--failures")
    if folder is None:
        return
    reports = [*terminalreporter.getreports("error"), *terminalreporter.getreports("failed")]
    names = dict.fromkeys(report.nodeid for report in reports)
    (folder / "names").write_text("".join(f"{name}\n" for name in names))
    ends = [
        "\n".join([f"\n-- {report.nodeid}", *report.longreprtext.splitlines()[-TRACEBACK_LINES:], ""])
        for report in reports
    ]
    (folder / "tracebacks").write_text("".join(ends))


MARKERS = ("controlplane", "dataplane", "image", "browser", "timing")


@functools.cache
def _text(file: Path) -> str:
    return file.read_text()


def _found_by_ci(item: pytest.Item) -> bool:
    """Whether `.ci/test` gives the file to pytest for each marker of the test: it looks for the markers' names."""
    marked = {marker.name for marker in item.iter_markers()} & set(MARKERS)
    return item.nodeid.startswith("tests/dataplane/") or all(f"mark.{each}" in _text(item.path) for each in marked)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the garbage collector off what collection makes, which stays until the end. The tests of the data
    planes then take 2.71 s of CPU time instead of 3.40 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first. The sort is stable, so that the tests of a file stay together.

    Coverage does not count random tests: it is the same in each run then, and code that only they reach lacks a
    case with a name. The tests that are marked `soak` are skipped without SOAK in the environment.
    """
    if lost := [item.nodeid for item in items if not _found_by_ci(item)]:
        raise pytest.UsageError(
            f"write the marker in the file of the test, where .ci/test looks for it: {lost[:3]}"
        )

    def place(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.no_cover)
        if "SOAK" not in os.environ and item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="the long run: make soak"))


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody calls it
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """`--dist` has no other choice here."""
    # Else the group with the most tests is first, long or not.
    config.option.loadscopereorder = False
    return Groups(config, log)


def _skip_or_fail(error: MissingToolError) -> None:
    """With ``CI=true``, where every tool has to be there, a missing one is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))


@functools.cache
def _minor() -> int:
    """Of the API server that the tests start."""
    said = subprocess.check_output([binaries.path("kube-apiserver"), "--version"], text=True)
    return int(said.split(".")[1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Turns a ``MissingToolError`` of any fixture into a skip with its reason."""
    try:
        since = item.get_closest_marker("since")
        if since and _minor() < since.args[0]:
            pytest.skip(f"Kubernetes 1.{since.args[0]} or newer, not 1.{_minor()}")
        return (yield)
    except MissingToolError as error:
        _skip_or_fail(error)


@pytest.hookimpl(wrapper=True, trylast=True)  # within pytest-cov's own
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Turns a ``MissingToolError`` of the test itself into a skip with its reason.

    Stops the tracing of a test with the mark `no_cover`. In a worker of pytest-xdist, pytest-cov stops one of two
    measurements: the other one, which it started with the options of the worker, would go on.
    """
    traced_by = sys.gettrace()
    if item.get_closest_marker("no_cover"):
        sys.settrace(None)
    try:
        return (yield)
    except MissingToolError as error:
        _skip_or_fail(error)
    finally:
        sys.settrace(traced_by)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The session's control plane, with the bodies of writes in its audit log.

    Shared by all tests: stop or break only a cluster of your own (``devcluster.start()``). Nodes and other
    cluster-scoped objects stay until the test deletes them.
    """
    context = devcluster.start(audit_bodies=True)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # a first build takes minutes: its progress is to be seen
        running = context.__enter__()
    try:
        yield running
    finally:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def arena() -> Iterator[Cluster]:
    """Another control plane, with etpguard's CRDs, for tests whose Nodes must be theirs alone: each deletes its
    Nodes."""
    from tests.remediate.stage import install_crds  # few workers need it

    yield from own_cluster(install_crds)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace, which is cleared after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    clear_namespace(cluster, name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Tests that need it have the marker `browser`."""
    from tests.page.browser import running  # few workers need it

    with running() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A new tab of it, on a screen of a desktop in light colours."""
    with browser.tab() as opened:
        opened.show()
        yield opened
