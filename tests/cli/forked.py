"""A process that has imported the program and forks for each run: a run then takes 0.03 s of processor time, where
a new Python takes 0.26 s, most of it for imports. Unix only.

The program finds what it finds in a new process: arguments, environment, standard streams, signals and its end.
The exception is what Python reads when it starts, such as PYTHONUTF8: for this a test needs a new process.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

_LENGTH = 8


class Forker:
    """Runs one command at a time."""

    def __init__(self) -> None:
        self._socket, its = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-P", __file__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            start_new_session=True,
        )
        its.close()
        atexit.register(self.close)

    def close(self) -> None:
        """The process ends when nothing is left to read."""
        self._socket.close()
        self._process.wait(60)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes | None, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """The exit code, stdout and stderr. Raises ``TimeoutExpired`` after `timeout` seconds, and is of no use
        from then on."""
        (from_out, its_out), (from_err, its_err) = os.pipe(), os.pipe()
        its_in, to_it = (os.open(os.devnull, os.O_RDONLY), -1) if stdin is None else os.pipe()
        with ThreadPoolExecutor(3) as pool:
            out, err = pool.submit(_read, from_out), pool.submit(_read, from_err)
            request = json.dumps([list(arguments), dict(environment), os.getcwd()]).encode()
            fds = array.array("i", [its_in, its_out, its_err])
            message = len(request).to_bytes(_LENGTH, "big") + request
            sent = self._socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            for fd in fds:
                os.close(fd)
            if stdin is not None:
                pool.submit(_write, to_it, stdin)
            self._socket.sendall(message[sent:])
            self._socket.settimeout(timeout)
            try:
                answer = self._socket.recv(_LENGTH)
            except TimeoutError:
                answer = b""
            if not answer:
                os.killpg(self._process.pid, 9)
                self.close()
                raise subprocess.TimeoutExpired(list(arguments), timeout)
            return int.from_bytes(answer, "big", signed=True), out.result(), err.result()


def _read(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()


def _write(fd: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(fd, "wb") as stream:
        stream.write(content)


def _serve(connection: socket.socket) -> None:
    """In the process that forks."""
    import importlib
    import pkgutil

    import etpguard.cli

    for module in pkgutil.walk_packages(etpguard.cli.__path__, "etpguard.cli."):
        importlib.import_module(module.name)
    while True:
        head, ancillary, *_ = connection.recvmsg(_LENGTH, socket.CMSG_SPACE(3 * array.array("i").itemsize))
        if not head:
            return
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        request = b""
        while len(request) < int.from_bytes(head, "big"):
            request += connection.recv(1 << 16)
        pid = os.fork()
        if not pid:
            connection.close()
            _become(fds, *json.loads(request))
        for fd in fds:
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(_LENGTH, "big", signed=True))


def _become(fds: Sequence[int], arguments: list[str], environment: dict[str, str], folder: str) -> NoReturn:
    from etpguard.__main__ import program

    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    for name, mode in (("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb")):
        old = getattr(sys, name)
        stream = open(old.fileno(), mode, closefd=False)  # noqa: SIM115  the program ends with it open
        setattr(sys, name, io.TextIOWrapper(stream, old.encoding, old.errors, line_buffering=name == "stderr"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["etpguard", *arguments]
    program()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
