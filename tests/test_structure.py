"""Rules of the structure that import-linter cannot express."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.no_cover, pytest.mark.one_python]

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "operator" / "etpguard"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.stem.endswith("_pb2"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_that_calls_itself_pure_is_in_the_contract() -> None:
    (pure,) = (each["source_modules"] for each in CONTRACTS if each["name"] == "The core is pure")
    outside = [
        name
        for path in MODULES
        if re.search(r"\bpure\b", ast.get_docstring(ast.parse(path.read_text())) or "", re.IGNORECASE)
        and not any(f"{name}.".startswith(f"{module}.") for name in [name_of(path)] for module in pure)
        for name in [name_of(path)]
    ]
    assert outside == []


def test_what_tests_share_is_in_no_test_module() -> None:
    sharing = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for found in re.finditer(r"^\s*from tests\.(\w+\.)*test_\w+ import", path.read_text(), re.MULTILINE)
    ]
    assert sharing == []


def private_names(tree: ast.Module) -> Iterator[str]:
    """Private names of other modules: `from etpguard.x import _y`, and `x._y` of an imported module."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("etpguard"):
            yield from (each.name for each in node.names if re.match("_[a-z]", each.name))
            modules |= {each.asname or each.name for each in node.names if each.name.islower()}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in modules and re.match("_[a-z]", node.attr):
            yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from etpguard.x import _y", ["_y"]),
        ("from etpguard import x\nx._y()", ["x._y"]),
        ("from etpguard.x import Y\nY()._replace(a=1)", []),
    ],
)
def test_private_names_are_found(text: str, found: list[str]) -> None:
    assert list(private_names(ast.parse(text))) == found


def test_no_module_uses_a_private_name_of_another_one() -> None:
    used = {name_of(path): list(private_names(ast.parse(path.read_text()))) for path in MODULES}
    assert {module: names for module, names in used.items() if names} == {}
