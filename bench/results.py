"""The file from which the docs take their figures: one entry per part of the benchmark, each with its machine."""

from __future__ import annotations

import json
from pathlib import Path

from bench.checkouts import HERE

FIGURES = HERE / "docs" / "figures"
BENCH = FIGURES / "bench.json"


def write(file: Path, part: str, figures: dict[str, object], machine: dict[str, object]) -> None:
    """Replace one part, and keep the others, whose dates say when they were measured. `machine` is described
    before the benchmark begins, so that its load is that of others."""
    found = json.loads(file.read_text()) if file.exists() else {}
    found[part] = {"machine": machine, "figures": figures}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
