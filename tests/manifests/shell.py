"""The commands of a page, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from devcluster import Cluster, binaries
from tests.manifests.rendered import ROOT


def block(page: Path, word: str) -> str:
    """The one block of commands of a page that contains this word."""
    (found,) = (each for each in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S) if word in each)
    return str(found)


class Shell:
    """bash in a folder (by default the repository's root), with kubectl, helm and etpguard for one cluster."""

    def __init__(self, cluster: Cluster, home: Path, folder: Path = ROOT) -> None:
        tools = [binaries.path(name).parent for name in ("kubectl", "helm")]
        path = os.pathsep.join(map(str, (*tools, Path(sys.executable).parent, os.environ["PATH"])))
        self.environment = {"PATH": path, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(home)}
        self.folder = folder

    def __call__(self, script: str, timeout: float = 120) -> str:
        """Standard output of a script that must succeed."""
        done = self.run(script, timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, script: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
