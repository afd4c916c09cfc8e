"""The stored contract, and what may differ from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SNAPSHOT: dict[str, list[str]] = json.loads((FOLDER / "snapshot.json").read_text())


def allowed(kind: str, section: str) -> dict[str, str]:
    """Line to reason."""
    every: dict[str, Any] = yaml.load((FOLDER / "allowed.yaml").read_text(), yaml.CSafeLoader)
    return dict(every[kind].get(section, {}))


STORED = "stored objects"
"""The section that the take-over test compares, since it needs an operator."""
