"""Rules of the structure that import-linter cannot express."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from etpguard.outcomes import Outcome

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


def _is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "code"


def _texts(node: ast.AST, named: dict[str, ast.expr]) -> Iterator[str]:
    """The texts in a literal, in the keys of a dictionary, or in the collection that a name stands for."""
    if isinstance(node, ast.Name):
        node = named.get(node.id, node)
    for part in filter(None, node.keys) if isinstance(node, ast.Dict) else [node]:
        found = (each.value for each in ast.walk(part) if isinstance(each, ast.Constant))
        yield from (value for value in found if isinstance(value, str))


def codes_read(tree: ast.Module) -> Iterator[str]:
    """The codes of reasons on which a module decides: by a comparison, `match`, or the keys of a dictionary."""
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others) if _is_code(left):
                yield from (text for other in others for text in _texts(other, named))
            case ast.Match(subject=subject, cases=cases) if _is_code(subject):
                yield from (text for case in cases for text in _texts(case.pattern, named))
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *_]) if _is_code(key):
                yield from _texts(table, named)


def codes_made(tree: ast.Module) -> Iterator[str]:
    """Texts that may become codes: the first argument of a call, and a constant with a name."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(args=[ast.Constant(value=str(text)), *_])
                | ast.Assign(value=ast.Constant(value=str(text)))
            ):
                yield text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('x = v.reason.code == "A"', ["A"]),
        ('x = v.reason.code in ("A", "B")', ["A", "B"]),
        ('_SOME = frozenset({"A"})\nx = v.reason.code in _SOME', ["A"]),
        ('_SOME = {"A": f("b")}\nx = _SOME.get(v.reason.code)', ["A"]),
        ('match v.code:\n    case "A" | "B" if x:\n        pass', ["A", "B"]),
        ('Reason("A", "b")', []),
    ],
)
def test_codes_that_are_read_are_found(text: str, found: list[str]) -> None:
    assert list(codes_read(ast.parse(text))) == found


def test_each_code_of_a_reason_that_is_read_is_made_somewhere() -> None:
    """A code that is renamed where it is made would otherwise silently change what follows from it."""
    trees = [ast.parse(path.read_text()) for path in MODULES]
    made = {code for tree in trees for code in codes_made(tree)} | {outcome.name for outcome in Outcome}
    read = {code for tree in trees for code in codes_read(tree)}
    assert len(read) > 20
    assert read - made == set()
