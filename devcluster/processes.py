"""Child processes that never outlive this one, and a folder that does not either."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devcluster.errors import StartError

# The kernel's parent-death signal is sent when the *thread* that forked ends, so that all children are
# started from one thread that lives as long as this process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="devcluster-starter")

_TIED_TO_PARENT = Path(__file__).with_name("tied_to_parent.py")


class Process:
    """A running program with its output in a log file.

    It gets its own session, so that Ctrl-C in a terminal reaches it only through us, and SIGKILL from
    the kernel when this process ends in whatever way.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        tied = [sys.executable, "-I", "-S", _TIED_TO_PARENT, str(os.getpid()), *command]
        with log.open("ab") as output:
            self._popen = _starter.submit(_spawn, tied, output, environment).result()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def running(self) -> bool:
        return self._popen.poll() is None

    def require_running(self) -> None:
        """Raises ``StartError`` with the end of the log when the program has ended."""
        if not self.running():
            raise StartError(f"{self.name} ended with code {self._popen.returncode}: {self.log_tail()}")

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after ``grace`` seconds (0: at once); returns when the process has ended."""
        if grace > 0 and self.running():
            self._popen.terminate()
            try:
                self._popen.wait(grace)
                return
            except subprocess.TimeoutExpired:
                pass
        self._popen.kill()  # does nothing once it has been waited for
        self._popen.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """For faults: SIGSTOP and SIGCONT freeze and thaw it, SIGKILL crashes it."""
        self._popen.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """None of its threads runs for the length of a ``with`` block."""
        self.require_running()
        self.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # returns once the last thread has stopped
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of the log, joined into one."""
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def running(
    name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A program that is stopped at the end of the block."""
    process = Process(name, command, log, environment)
    try:
        yield process
    finally:
        process.stop()


def _spawn(
    command: Sequence[str | Path], output: IO[bytes], environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


class TemporaryFolder:
    """A private temporary folder that is removed by ``remove()``, or when this process is killed.

    For the latter a shell waits on a pipe whose other end only this process holds: its end is the sign to
    clean up.
    """

    # Programs that die with us may still write a file while it is removed, hence the few tries.
    _CLEANER = 'read -r _; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.2; done'

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._cleaner = subprocess.Popen(
            ["/bin/sh", "-c", self._CLEANER, "sh", self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        assert self._cleaner.stdin is not None
        self._cleaner.stdin.close()
        self._cleaner.wait()
