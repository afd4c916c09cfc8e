"""Free TCP ports."""

from __future__ import annotations

import random
import socket

# Below Linux's range of ephemeral ports (ip_local_port_range, 32768 on): no outgoing connection takes one of
# these while a server is being restarted on it.
_CANDIDATES = range(10_000, 20_000)


def free(host: str) -> int:
    """A port that nothing listens on now; another process may still be quicker to use it."""
    for port in random.sample(_CANDIDATES, 200):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {host} among {_CANDIDATES}")
