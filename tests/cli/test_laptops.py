"""The command line on macOS and Windows: it needs no module and no call that only Linux has.

The programs run in a Python without them. The pull-request workflow also runs the pure tests on both systems.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster import binaries
from etpguard.cli.errors import Failure
from etpguard.cli.main import cli
from tests.cli.program import SEED

NAME = "default/nginx-nginx-ingress-controller"
BLOCKER = """
import importlib.abc, os, select, signal, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

for name in {blocked!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocker())
for module, names in ((os, {calls!r}), (signal, ["SIGHUP"]), (select, ["poll", "epoll"])):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""
BLOCKED = ["fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "prctl", "syslog"]
CALLS = ["fork", "forkpty", "getuid", "geteuid", "O_NOFOLLOW", "setns", "prlimit", "sched_getaffinity", "killpg"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that is like that of another system."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=BLOCKED, calls=CALLS))
    kept = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return {**kept, "PYTHONPATH": str(folder), "HOME": str(folder)}


def run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "etpguard", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("version",),
        ("completion", "fish"),
        ("reader-role",),
        ("check", "-f", SEED),
        ("check", "-f", SEED, "-o", "json"),
        ("check", "-f", SEED, "-o", "yaml"),
        ("check", "-f", SEED, "-o", "junit"),
        ("check", "-f", SEED, "-o", "sarif"),
        ("check", "-f", SEED, "-o", "markdown"),
        ("check", "-f", SEED, "-o", "html"),
        ("check", "-f", SEED, "--policy", SEED.parents[1] / "policies" / "nginx-alb.yaml"),
        ("explain", NAME, "-f", SEED),
        ("what-if", "-f", SEED, "policy", f"{NAME}=Cluster"),
    ],
    ids=lambda arguments: " ".join(str(each) for each in arguments if not isinstance(each, Path)),
)
def test_commands_need_nothing_of_linux(elsewhere: dict[str, str], arguments: tuple[str | Path, ...]) -> None:
    done = run(elsewhere, *arguments)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("etpguard: warning: ")]
    assert (done.returncode, lines) == (0, [])


def test_a_cluster_that_cannot_be_reached_is_the_only_problem(elsewhere: dict[str, str], tmp_path: Path) -> None:
    """The credentials become files, and the connection is tried."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{current-context: it, contexts: [{name: it, context: {cluster: it, user: it}}],"
        " clusters: [{name: it, cluster: {server: 'http://127.0.0.1:1'}}],"
        " users: [{name: it, user: {client-key-data: a2V5, client-certificate-data: Y2VydA==}}]}"
    )
    done = run(elsewhere, "check", "--kubeconfig", kubeconfig)
    assert done.stderr.startswith("etpguard: cannot reach http://127.0.0.1:1: ")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_the_check_of_this_test(elsewhere: dict[str, str]) -> None:
    code = "import fcntl"
    done = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, timeout=60)
    assert "No module named 'fcntl'" in done.stderr


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_operator_and_the_control_plane_say_that_they_run_on_linux(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(Failure, match=r"^run: the operator runs on Linux only$"):
        cli.main(["run"], standalone_mode=False)
    with pytest.raises(devcluster.MissingToolError, match=f"on Linux only, not on {platform}"):
        binaries.paths(["etcd"])


LAPTOP_TESTS = ("tests/objects", "tests/cluster", "tests/assess", "tests/report", "tests/foresight")


@pytest.mark.one_python
def test_the_tests_of_the_pull_request_can_be_collected_there(elsewhere: dict[str, str]) -> None:
    workflow = yaml.load(
        (SEED.parents[2] / ".github" / "workflows" / "pull-request.yaml").read_text(), yaml.CSafeLoader
    )
    laptops = workflow["jobs"]["laptops"]
    assert {name.partition("-")[0] for name in laptops["strategy"]["matrix"]["os"]} == {"macos", "windows"}
    assert " ".join(laptops["steps"][-1]["run"].split()).endswith(" ".join(LAPTOP_TESTS))
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *LAPTOP_TESTS]
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
