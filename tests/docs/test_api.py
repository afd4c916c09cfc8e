"""docs/api.md and docs/cli.md: the fields of the CRDs and of the CoverageReport, the commands, the exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from etpguard.assess import Outcome
from etpguard.cli.main import cli
from etpguard.objects.coverage import Phase
from manifests import api_page
from tests.docs.console import ROOT, run

KINDS = ("coveragepolicies", "clustercoveragepolicies", "servicecoverages")


def fields(schema: Any, at: str) -> Iterator[tuple[str, Any]]:
    for name, inner in schema.get("properties", {}).items():
        path = f"{at}.{name}"
        if path not in (".apiVersion", ".kind", ".metadata"):
            yield path, inner
            yield from fields(inner, path)
            yield from fields(inner.get("items", {}), f"{path}[]")


@pytest.mark.parametrize("plural", KINDS)
def test_every_field_has_a_description_which_names_its_default(plural: str) -> None:
    """`kubectl explain` shows descriptions, and no defaults."""
    crd = yaml.load((ROOT / "crds" / f"{plural}.yaml").read_text(), yaml.CSafeLoader)["spec"]["versions"][0]
    listed = list(fields(crd["schema"]["openAPIV3Schema"], ""))
    assert len(listed) > 30
    assert [path for path, schema in listed if not schema.get("description")] == []
    with_default = [(path, schema) for path, schema in listed if schema.get("default") not in (None, {})]
    assert [path for path, schema in with_default if "Default: " not in schema["description"]] == []


@pytest.mark.parametrize(
    ("field", "values"),
    [(".status.outcome", [each.name for each in Outcome]), (".status.remediation.phase", sorted(get_args(Phase)))],
)
def test_each_value_is_explained(field: str, values: list[str]) -> None:
    """`kubectl explain` is all that a reader without the documentation has."""
    crd = yaml.load((ROOT / "crds" / "servicecoverages.yaml").read_text(), yaml.CSafeLoader)["spec"]["versions"][0]
    description = dict(fields(crd["schema"]["openAPIV3Schema"], ""))[field]["description"]
    in_progress = {"Applying", "RollingBack"}
    for value in values:
        assert re.search(rf"\b{value}( \(|,)" if value in in_progress else rf"\b{value} \(", description), value
    assert sorted(re.findall(r"\w+(?= \()", description)) == sorted(set(values) - in_progress)


def paths(value: Any, at: str) -> Iterator[str]:
    """The fields of a report, as docs/api.md writes them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            path = f"{at}.{name}" if at else name
            yield f"{path}[]" if isinstance(inner, list) and inner and not at_names(name) else path
            yield from paths(inner, path)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{at}[]")


def at_names(name: str) -> bool:
    """Whether the list holds names, which the page shows as one field."""
    return any(each.type == "list of names" and each.path.endswith(name) for each in api_page.FIELDS)


def test_the_page_has_every_field_of_the_report() -> None:
    documented = {field.path for field in api_page.FIELDS}
    seen: set[str] = set()
    for example in sorted((ROOT / "examples").glob("*/cluster-state.yaml")):
        report = json.loads(run(f"check -f {example} -o json").stdout)
        found = set(paths(report, ""))
        seen |= found
        bare = {path.removesuffix("[]") for path in documented}
        assert {path for path in found if path.removesuffix("[]") not in bare} == set(), example
    required = {field.path for field in api_page.FIELDS if not field.optional}
    assert {path for path in required if path not in seen and path.removesuffix("[]") not in seen} == set()


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_and_exit_code_is_on_its_page(command: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert f"## etpguard {command}\n" in text
    for parameter in cli.commands[command].params:
        assert all(f"{option}" in text for option in parameter.opts if option.startswith("-"))
    for code in ("| 0 |", "| 1 |", "| 2 |", "| 130 |"):
        assert code in text
