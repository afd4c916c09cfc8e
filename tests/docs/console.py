"""Console blocks in the docs: what stands below `$ etpguard …` is what the command prints, and nothing else.

`python -m tests.docs.console FILE…` writes the blocks of these files anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^```console\n\$ etpguard (?P<arguments>[^\n]+)\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL
)


def commands(text: str) -> list[str]:
    return [match["arguments"] for match in _BLOCK.finditer(text)]


def renewed(text: str) -> str:
    """The text with each block as the command of today fills it."""
    return _BLOCK.sub(lambda match: _block(match["arguments"]), text)


def run(arguments: str) -> subprocess.CompletedProcess[str]:
    """`etpguard` with these arguments, from the root of the repository, without colour, 110 columns wide."""
    environment = {**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    environment.pop("FORCE_COLOR", None)
    return subprocess.run(
        [sys.executable, "-m", "etpguard", *arguments.split()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _block(arguments: str) -> str:
    done = run(arguments)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    status = f"$ echo $?\n{done.returncode}\n"
    return "\n".join([f"```console\n$ etpguard {arguments}", *lines, status]) + "```"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(renewed(page.read_text()))
