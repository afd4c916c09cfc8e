"""Console blocks of the docs: the lines below `$ etpguard …` are exactly what the command prints. Commands joined
by `&&` print one after the other.

`python -m tests.docs.console` runs the commands of every page and rewrites its blocks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "internal.md",
    ROOT / "docs" / "outcomes.md",
    ROOT / "docs" / "verify.md",
    ROOT / "docs" / "what-if.md",
)
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
    lines, status = [f"$ etpguard {arguments}"], 0
    for command in arguments.split(" && etpguard "):
        if status == 0:
            done = run(command)
            lines += [line.rstrip() for line in done.stdout.splitlines()]
            status = done.returncode
    return "\n".join(["```console", *lines, "$ echo $?", str(status), "```"])


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text()))
