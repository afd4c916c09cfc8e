"""Console blocks of the docs: the lines below `$ etpguard …` are exactly what the command prints.

`python -m tests.docs.console` runs the commands of every page and rewrites its blocks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "outcomes.md", ROOT / "docs" / "verify.md")
"""Every page with console blocks."""

_BLOCK = re.compile(
    r"^```console\n\$ etpguard (?P<arguments>[^\n]+)\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL
)


def commands(text: str) -> list[str]:
    return [match["arguments"] for match in _BLOCK.finditer(text)]


def renewed(text: str) -> str:
    """The text with the current output of each command."""
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
    for page in PAGES:
        page.write_text(renewed(page.read_text()))
