"""The generated table of alerts in docs/paging.md, from the rule files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parent / "monitoring"
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def table() -> str:
    """A row for each alert, in the order of the rule files. Those that are off by default come last."""
    rows = [
        *(_alert(rule, "") for rule in _alerts("rules.yaml")),
        *(_alert(rule, ", off by default") for rule in _alerts("optional-rules.yaml")),
    ]
    return "".join((_row("alert", "severity", "after", "meaning"), _row(*("---" for _ in range(4))), *rows))


def _alerts(name: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((MONITORING / name).read_text())["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


def _alert(rule: dict[str, Any], remark: str) -> str:
    name = rule["alert"]
    meaning = _LABEL.sub(lambda label: label[1].upper(), rule["annotations"]["summary"])
    severity = f"{rule['labels']['severity']}{remark}"
    return _row(f"[{name}](runbooks/{name}.md)", severity, rule.get("for", "at once"), meaning)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
