"""What this tree promises to others, as sorted lines of text that can be compared with the snapshot."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

_PROSE = ("description", "message")
_NAMES = re.compile(r"etpguard\.dev/[A-Za-z][A-Za-z-]*|etpguard(-[a-z]+)*")
_EVENT_REASONS = re.compile(r"(Nodes|Traffic|Remediation)[A-Z][a-zA-Z]+|NoEligibleNodes")
_METRIC = re.compile(r"^\| `(?P<name>etpguard_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*) \|", re.MULTILINE)


def promised(root: Path = ROOT) -> dict[str, list[str]]:
    """The sections of the snapshot, from the files of a source tree and from what its command prints."""
    return {
        "JSON of check": sorted(_report_shape(root)),
        "CRDs": sorted(_crd_lines(root)),
        "metrics": sorted(_metric_lines(root)),
        "names": sorted(_constants(root, _NAMES)),
        "reasons of Events": sorted(_constants(root, _EVENT_REASONS)),
    }


def shape(value: Any, path: str = "") -> Iterator[str]:
    """One line for each path of a JSON value with its type: `.services[].ports[].port: str`."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from shape(inner, f"{path}.{key}")
        case list():
            yield f"{path}: list"
            for inner in value:
                yield from shape(inner, f"{path}[]")
        case _:
            yield f"{path}: {type(value).__name__}"


def _report_shape(root: Path) -> set[str]:
    lines: set[str] = set()
    for file in sorted((root / "examples").glob("*/cluster-state.yaml")):
        lines |= _checked(root, "-f", str(file))
    case, policy = root / "examples/nginx-alb/cluster-state.yaml", root / "examples/policies/nginx-alb.yaml"
    return lines | _checked(root, "-f", str(case), "--policy", str(policy))


def _checked(root: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "etpguard", "check", "-o", "json", *arguments],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(shape(json.loads(done.stdout)))


def _crd_lines(root: Path) -> Iterator[str]:
    for file in sorted((root / "crds").glob("*.yaml")):
        for document in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            if document["kind"] == "CustomResourceDefinition":
                yield from _values(document["spec"], document["metadata"]["name"])


def _values(value: Any, path: str) -> Iterator[str]:
    """One line for each value of a schema, without its prose."""
    match value:
        case dict():
            for key, inner in value.items():
                if key in _PROSE and isinstance(inner, str):
                    continue
                yield from _values(inner, f"{path}.{key}")
        case list():
            for number, inner in enumerate(value):
                at = f"[{number}]" if isinstance(inner, dict) else "[]"
                yield from _values(inner, f"{path}{at}")
        case _:
            yield f"{path} = {json.dumps(value)}"


def _metric_lines(root: Path) -> Iterator[str]:
    for found in _METRIC.finditer((root / "docs" / "reference.md").read_text()):
        yield f"{found['name']} ({found['type']}): {found['labels']}"


def _constants(root: Path, pattern: re.Pattern[str]) -> set[str]:
    """The string constants of the package that match. `_NAMES`: annotations, condition types, field managers and
    reporting controllers all contain the project's name."""
    constants: set[str] = set()
    for file in (root / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value):
                constants.add(node.value)
    return constants
