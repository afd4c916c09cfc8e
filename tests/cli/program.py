"""The real program in a process of its own, as a shell runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = Path(__file__).parents[2] / "examples" / "nginx-alb" / "cluster-state.yaml"


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.out)
        return made


def etpguard(*arguments: str | Path, stdin: bytes | str | None = None, **environment: str) -> Run:
    """Run it to its end. `environment` is added to one without kubeconfig or in-cluster variables."""
    kept = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "etpguard", *map(str, arguments)],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=60,
        env=kept | {"HOME": "/nonexistent", "COLUMNS": "80"} | environment,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def failed(run: Run) -> str:
    """Assert that it failed as it must: code 2, nothing on stdout, one line on stderr; gives that line."""
    assert run.code == 2, run
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("etpguard: ")
    assert "Traceback" not in run.err
    return lines[0]
