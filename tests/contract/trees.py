"""The operator of two source trees, each in an environment with the packages of its own lock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import Cluster, MissingToolError, ports
from devcluster.objects import wait_for
from devcluster.processes import Process
from tests.app.harness import Served
from tests.contract.observed import ROOT

BEFORE = "61f4a79"
"""The last commit before modules and classes got their present names."""

HOLD = 4
"""Seconds before a condition is written. The tree before has no setting for the minute between two conditions."""
SETTINGS = {
    "hold": f"{HOLD}s",
    "hold-urgent": f"{HOLD}s",
    "max-remediations": "100/600s",
    "breaker": "100%",
    "lease-duration": "3s",
}


@dataclass(frozen=True, slots=True)
class Tree:
    """`name` is also its ServiceAccount, which identifies the tree in the audit log."""

    name: str
    python: Path
    settings: Mapping[str, str]

    @property
    def user(self) -> str:
        return f"system:serviceaccount:default:{self.name}"


def present() -> Tree:
    return Tree("after", Path(sys.executable), {"condition-interval": "1s", "event-interval": "1s"})


def former(folder: Path) -> Tree:
    """The tree of `BEFORE`, unpacked and installed into `folder`. Needs git's history and uv."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise MissingToolError("uv is not installed, which installs the tree before")
    found = subprocess.run(["git", "cat-file", "-e", f"{BEFORE}^{{commit}}"], cwd=ROOT, capture_output=True)
    if found.returncode != 0:
        raise MissingToolError(f"commit {BEFORE} is not here: this is no clone with its whole history")
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True)
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    subprocess.run(
        [uv, "sync", "--quiet", "--locked", "--no-dev", "--python", sys.executable],
        cwd=folder,
        env=environment,
        check=True,
        timeout=300,
    )
    return Tree("before", folder / ".venv" / "bin" / "python", {})


class Running(Served):
    """`etpguard run` of a tree; started and ended by `running`."""

    def __init__(self, tree: Tree, process: Process, port: int) -> None:
        super().__init__(port)
        self.tree = tree
        self.process = process

    def get(self, path: str) -> tuple[int, str]:
        """Status 0 before the process listens."""
        self.process.require_running()
        try:
            return super().get(path)
        except OSError as error:
            return 0, str(error)

    def wait_leading(self) -> None:
        """Until it holds the Lease and its picture is one that it may write from."""
        wait_for(lambda: self.metric("etpguard_leader") == 1.0, 60, f"the tree {self.tree.name} to lead")
        wait_for(lambda: self.metric("etpguard_picture_fresh") == 1.0, 60, "a fresh picture")


@contextmanager
def running(tree: Tree, cluster: Cluster, namespace: str, log: Path) -> Iterator[Running]:
    """It reports the namespace. SIGTERM ends it, so that it hands its Lease over."""
    port = ports.free("127.0.0.1")
    flags = {
        **SETTINGS,
        **tree.settings,
        "kubeconfig": str(cluster.kubeconfig_for(namespace="default", service_account=tree.name)),
        "listen": f"127.0.0.1:{port}",
        "namespaces": namespace,
        "lease-namespace": namespace,
    }
    command: list[str | Path] = [
        tree.python,
        "-m",
        "etpguard",
        "run",
        *(f"--{name}={value}" for name, value in flags.items()),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ETPGUARD_") and k != "PYTHONPATH"}
    process = Process(f"operator of the tree {tree.name}", command, log, environment)
    made = Running(tree, process, port)
    try:
        wait_for(made.ready, 60, f"the tree {tree.name} to be ready")
        yield made
    except BaseException:
        print(f"--- operator of the tree {tree.name}\n{log.read_text(errors='replace')}")
        raise
    finally:
        process.stop(grace=10)
