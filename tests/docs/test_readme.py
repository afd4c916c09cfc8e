"""README's way to the command line, taken."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from devcluster import MissingToolError, binaries
from etpguard import __version__
from tests.docs.console import ROOT
from tests.manifests.shell import block


def test_the_command_line_and_the_plugin_are_installed(tmp_path: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise MissingToolError("uv is not installed")
    programs = tmp_path / "bin"
    path = os.pathsep.join((str(programs), str(Path(uv).parent), os.environ["PATH"]))
    environment = {
        **os.environ,
        "PATH": path,
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(programs),
    }
    for name in ("VIRTUAL_ENV", "PYTHONPATH"):
        environment.pop(name, None)

    def sh(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    sh(block(ROOT / "README.md", "uv tool install"))
    assert {program.name for program in programs.iterdir()} == {
        "etpguard",
        "kubectl-etpguard",
        "kubectl_complete-etpguard",
    }
    assert __version__ in sh("etpguard --version")
    said = sh(f"{binaries.path('kubectl')} etpguard check -f examples/nginx-alb/cluster-state.yaml")
    assert "TargetsUnhealthy" in said
