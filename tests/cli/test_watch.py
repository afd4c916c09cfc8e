"""`check --watch`: what it prints when, and how it ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from devcluster import Cluster
from etpguard.cli.check import CheckRequest
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Sources, assess
from etpguard.cli.reading import ClusterReport, Reading
from etpguard.cli.watch import Lines, Screen, Shown, Signal, changes, follow, shown
from tests.cli.program import SEED, etpguard

NAME = "default/nginx-nginx-ingress-controller"


def reading(cluster: str = "", *, whole: bool = True, **failed: str) -> Reading:
    assessed = assess(Sources(files=[str(SEED)]))
    chosen = list(assessed.assessments.values()) if whole else []
    return Reading([ClusterReport(assessed, chosen, cluster)], failed, fleet=bool(cluster))


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        pytest.param({}, {"a/b": Shown("Covered", 0, 3)}, ["a/b: Covered 0/3"], id="new"),
        pytest.param({"a/b": Shown("Covered", 0, 3)}, {"a/b": Shown("Covered", 0, 3)}, [], id="the same"),
        pytest.param(
            {"a/b": Shown("Covered", 0, 3)},
            {"a/b": Shown("Blackhole", 1, 3)},
            ["a/b: Covered 0/3 -> Blackhole 1/3"],
            id="another outcome",
        ),
        pytest.param(
            {"a/b": Shown("Blackhole", 1, 3)},
            {"a/b": Shown("Blackhole", 2, 3)},
            ["a/b: Blackhole 1/3 -> Blackhole 2/3"],
            id="more nodes",
        ),
        pytest.param({"a/b": Shown("NoTargets", 0, 0)}, {}, ["a/b: NoTargets -> not reported"], id="gone"),
        pytest.param(
            {}, {"c/d": Shown("Covered", 0, 1), "a/b": Shown("Covered", 0, 1)},
            ["a/b: Covered 0/1", "c/d: Covered 0/1"], id="sorted",
        ),
    ],
)  # fmt: skip
def test_changes(before: dict[str, Shown], now: dict[str, Shown], lines: list[str]) -> None:
    assert list(changes(before, now)) == lines


def test_the_name_has_the_cluster_if_there_are_several() -> None:
    assert list(shown(reading())) == [NAME]
    assert list(shown(reading("earth"))) == [f"earth {NAME}"]


def test_a_cluster_that_cannot_be_read_for_a_while_has_no_changes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(wall=lambda: 0.0)
    lines.show(reading("earth"), "")
    assert capsys.readouterr() == (f"1970-01-01T00:00:00Z earth {NAME}: TargetsUnhealthy 2/3\n", "")
    for _ in range(2):
        lines.show(Reading(reading("moon", whole=False).reports, {"earth": "no answer"}, fleet=True), "")
    assert capsys.readouterr() == ("", "etpguard: earth: no answer\n")
    lines.show(reading("earth"), "")
    lines.show(reading("earth"), "no answer")
    assert capsys.readouterr() == ("", "etpguard: warning: no answer\n")
    lines.show(reading("earth", whole=False), "")
    assert capsys.readouterr().out.endswith("TargetsUnhealthy 2/3 -> not reported\n")


def test_the_screen_says_of_when_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(CheckRequest(Sources()), 30.0, wall=lambda: 0.0)
    screen.show(reading(), "")
    screen.show(reading(), "no answer")
    out, err = capsys.readouterr()
    assert out.count("\x1b[H\x1b[2J") == 2
    assert "Read at 1970-01-01T00:00:00Z, and again every 30 s" in out
    assert NAME in out
    assert err == "etpguard: warning: this is of 1970-01-01T00:00:00Z: no answer\n"


class TestFollow:
    def run(self, *came: Any, fail_on: str = "TargetsUnhealthy") -> tuple[int, list[str]]:
        """The exit code, and the problem with each time that it was shown. Each read gives the next of `came`."""
        news: SimpleQueue[Any] = SimpleQueue()
        rest, seen = iter(came), list[str]()
        code = follow(news, lambda: news.put(next(rest)), lambda _, problem: seen.append(problem), fail_on, 0.01)
        return code, seen

    def test_the_code_is_that_of_what_was_shown_last(self) -> None:
        assert self.run(reading(), Signal(15)) == (1, [""])
        assert self.run(reading(), Signal(15), fail_on="never") == (0, [""])
        assert self.run(reading(), reading(whole=False), Signal(2)) == (0, ["", ""])

    def test_before_anything_is_shown_it_is_that_of_the_signal(self) -> None:
        assert self.run(Signal(2)) == (130, [])

    def test_a_first_read_that_fails(self) -> None:
        with pytest.raises(Failure, match="no answer"):
            self.run(Failure("no answer"))

    def test_a_later_one_shows_each_problem_once(self) -> None:
        failures = [Failure("no answer"), Failure("no answer"), Failure("forbidden")]
        assert self.run(reading(), *failures, reading(), Signal(15)) == (1, ["", "no answer", "forbidden", ""])

    def test_a_signal_during_the_pause(self) -> None:
        news: SimpleQueue[Any] = SimpleQueue()
        for each in (reading(), Signal(15)):
            news.put(each)
        assert follow(news, lambda: None, lambda *_: None, "never", 60.0) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-f", "x"], "--watch and -f exclude each other"),
        (["--policy", "x"], "--watch and --policy exclude each other"),
        (["-o", "json"], "--watch shows a table, not -o json"),
        (["--interval", "1s"], "'1s': expected at least 5s"),
    ],
)
def test_what_it_is_refused_with(arguments: list[str], line: str) -> None:
    run = etpguard("check", "--watch", *arguments)
    assert (run.code, run.out) == (2, "")
    assert line in run.err.splitlines()[-1]


@pytest.mark.controlplane
@pytest.mark.usefixtures("a_node")
@pytest.mark.parametrize("terminal", [False, True], ids=["a pipe", "a terminal"])
def test_live(cluster: Cluster, tmp_path: Path, terminal: bool) -> None:
    """A Service appears while it watches, and SIGTERM ends it with the code of what it shows."""
    space = f"watched-{'terminal' if terminal else 'pipe'}"
    cluster.kubectl("create", "namespace", space)
    file = tmp_path / "out"
    ours, its = pty.openpty() if terminal else (0, os.open(file, os.O_CREAT | os.O_WRONLY))
    process = subprocess.Popen(
        [
            sys.executable, "-m", "etpguard", "check", "--watch", "--interval", "5s", "--fail-on", "NotAffected",
            "--kubeconfig", str(cluster.kubeconfig), "-n", space,
        ],
        stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    os.close(its)
    seen = ""

    def until(text: str) -> None:
        nonlocal seen
        ends = time.monotonic() + 60
        while text not in seen and time.monotonic() < ends:
            if terminal:
                seen += os.read(ours, 65536).decode()
            else:
                seen = file.read_text()
                time.sleep(0.05)
        assert text in seen

    try:
        if terminal:
            until("No Service with externalTrafficPolicy Local")
        service = {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": space},
            "spec": {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]},
        }  # fmt: skip
        cluster.call("POST", f"/api/v1/namespaces/{space}/services", service)
        until(f"{space}/web")
        process.send_signal(signal.SIGTERM if terminal else signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"Traceback" not in errors
    finally:
        process.kill()
        process.communicate()
        if terminal:
            os.close(ours)
        cluster.request("DELETE", f"/api/v1/namespaces/{space}/services/web")
        cluster.request("DELETE", f"/api/v1/namespaces/{space}")
