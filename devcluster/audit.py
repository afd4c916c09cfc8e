"""The API server's audit log: its policy, and reading it while it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

Level = Literal["None", "Metadata", "Request", "RequestResponse"]

_WRITES = ["create", "update", "patch", "delete", "deletecollection"]
_BLOCK = 64 * 1024


def policy(level: Level, bodies: bool) -> dict[str, object]:
    """An audit.k8s.io/v1 Policy: ``level`` for every request; with ``bodies`` writes at RequestResponse."""
    rules: list[dict[str, object]] = [{"level": level}]
    if bodies:
        rules.insert(0, {"level": "RequestResponse", "verbs": _WRITES})
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],  # says nothing that a later stage does not
        "rules": rules,
    }


def end(log: Path) -> int:
    """The byte behind the log's last whole line: the API server may be writing another at this moment."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at:
            start = max(0, at - _BLOCK)
            file.seek(start)
            newline = file.read(at - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            at = start
    return 0


def read(log: Path, since: int) -> Iterator[dict[str, Any]]:
    """The events (audit.k8s.io/v1 ``Event``) from byte ``since`` on, which is 0 or was given by ``end``, up to the
    first line that is still being written."""
    if not log.exists():
        return
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if not line.endswith(b"\n"):
                return  # else the rest of it would count as another line
            yield json.loads(line)
