"""The API server's audit log: its policy, and reading it while it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

Level = Literal["None", "Metadata", "Request", "RequestResponse"]

_WRITES = ["create", "update", "patch", "delete", "deletecollection"]


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


def read(log: Path, since: int) -> Iterator[dict[str, Any]]:
    """The events (audit.k8s.io/v1 ``Event``) from byte ``since`` on, without a last line still being written."""
    if not log.exists():
        return
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
