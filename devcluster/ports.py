"""Free TCP ports."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

# Below Linux's range of ephemeral ports (ip_local_port_range, 32768 on): no outgoing connection takes one of
# these while a server is being restarted on it.
_CANDIDATES = range(10_000, 20_000)


_given: set[int] = set()


def free(host: str) -> int:
    """A port that nothing listens on, and that no other process gets from this function while this one runs."""
    for port in random.sample(_CANDIDATES, 200):
        if port in _given or not _reserved(port):
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise OSError(f"no free port on {host} among {_CANDIDATES}")


def _reserved(port: int) -> bool:
    """Locks the byte of that number in a file that all processes of this user share.

    The kernel releases the lock when this process ends. Within one process such locks do not exclude each other.
    """
    import fcntl  # Linux; the package is imported elsewhere too

    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    return True


@cache
def _locks() -> int:
    """Stays open: to close any descriptor of the file would release the locks."""
    file = Path(tempfile.gettempdir(), f"etpguard-ports-{os.getuid()}")
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
