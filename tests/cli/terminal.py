"""A command on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*[34][0-9]m")


def on_terminal(columns: int, *arguments: str | Path, **environment: str) -> str:
    """What it writes to a terminal of that width."""
    ours, its = pty.openpty()
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "etpguard", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=subprocess.DEVNULL,
        env={**kept, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment},
    )
    os.close(its)
    written = b""
    while part := _read(ours):
        written += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux has no other end for a terminal whose last writer is gone
        return b""
