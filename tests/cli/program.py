"""The real program in a separate process, as a shell runs it. See `tests/cli/forked.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.forked import Forker

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


_AT_START = ("PYTHON", "LANG", "LC_")
"""How the variables begin that Python reads when it starts."""
_TIMEOUT = 60.0
_forkers: list[Forker] = []
_one_at_a_time = threading.Lock()


def etpguard(*arguments: str | Path, stdin: bytes | str | None = None, **environment: str) -> Run:
    """Run it to its end. `environment` is added to one without kubeconfig or in-cluster variables."""
    if not hasattr(os, "fork") or any(name.startswith(_AT_START) for name in environment):
        return started(*arguments, stdin=stdin, **environment)
    command, given, whole = [*map(str, arguments)], _encoded(stdin), _whole(environment)
    with _one_at_a_time:
        forker = _forkers.pop() if _forkers else Forker()
        code, out, err = forker.run(command, whole, given, _TIMEOUT)
        _forkers.append(forker)
    return Run(code, out.decode(), err.decode())


def started(*arguments: str | Path, stdin: bytes | str | None = None, **environment: str) -> Run:
    """As `etpguard`, in a new Python, which is a child of this process: its processor time can be measured."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "etpguard", *map(str, arguments)],
        input=_encoded(stdin),
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=_TIMEOUT,
        env=_whole(environment),
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def _encoded(stdin: bytes | str | None) -> bytes | None:
    return stdin.encode() if isinstance(stdin, str) else stdin


def _whole(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "NO_COLOR")}
    return {**kept, "HOME": "/nonexistent", "COLUMNS": "80", **environment}


def failed(run: Run) -> str:
    """Assert that it failed as it must: code 2, nothing on stdout, one line on stderr; gives that line."""
    assert run.code == 2, run
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("etpguard: ")
    assert "Traceback" not in run.err
    return lines[0]
