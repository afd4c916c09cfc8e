"""A helper of this package in a separate process, which exchanges lines on its standard input and output.

Such a helper ends when its input ends, so that it never outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from devcluster.dataplane import netns

_ROOT = Path(__file__).resolve().parents[2]


class Child:
    """`python -m MODULE ARGUMENT…`, in a namespace where one is given. Not thread-safe."""

    def __init__(self, module: str, arguments: Sequence[str] = (), namespace: str | None = None) -> None:
        self._name = module.rpartition(".")[2] + (f" in {namespace}" if namespace else "")
        command = [sys.executable, "-m", module, *arguments]
        self._popen = subprocess.Popen(
            netns.inside(namespace, command) if namespace else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            start_new_session=True,  # Ctrl-C reaches it only as the end of its input
        )

    def ask(self, line: str) -> str:
        """One line there, one line back, without its end. Raises NetworkError when the helper is gone."""
        assert self._popen.stdin
        assert self._popen.stdout
        try:
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()
            answer = self._popen.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise netns.NetworkError(f"{self._name} has ended, code {self._popen.wait(timeout=5)}")
        return answer.rstrip("\n")

    def close(self) -> None:
        """Ends its input and waits for it; one that does not end within 5 s is killed."""
        assert self._popen.stdin
        assert self._popen.stdout
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()
        try:
            self._popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._popen.stdout.close()
