"""Read YAML as Kubernetes does: without timestamps and base-60 numbers.

The work is linear in the size of the file. Documents that grow when their aliases are resolved are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from etpguard.cli.errors import Failure

LARGEST = 5_000_000
"""Values in one document after its aliases and merge keys are resolved."""

DEEPEST = 200
"""Levels of nesting. libyaml's composer is recursive: the process crashes when the stack is full."""

_LONGEST = 4_000
"""Digits of a whole number. Python refuses to read more than 4,300."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""Kubernetes reads plain scalars with these tags as text."""
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_PLAIN = {
    _INT: re.compile(r"^(?:[-+]?0b[01]+|[-+]?0o?[0-7]+|[-+]?(?:0|[1-9][0-9]*)|[-+]?0x[0-9a-fA-F]+)$"),
    _FLOAT: re.compile(
        r"^(?:[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}


_TAG_DIRECTIVE = re.compile(rb"^%TAG\b", re.MULTILINE)
"""libyaml compares each directive with all before it: 2,000 of them take 0.01 s, and 20,000 take 1 s."""


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader, in C where there is one."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as the base class has it
        first: [(tag, _PLAIN.get(tag, pattern)) for tag, pattern in found if tag not in _TEXT]
        for first, found in _Base.yaml_implicit_resolvers.items()
    }
    merged = 0

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > LARGEST:
            raise yaml.YAMLError("its merge keys make it grow beyond measure")

    def construct_document(self, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            kinds = [key for key, _ in node.value if key.value == "kind"]
            if len(kinds) > 1:
                problem = "another object begins in the middle of one: a line `---` is missing between them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=kinds[1].start_mark)
        return super().construct_document(node)

    def construct_whole(self, node: Any) -> Any:
        text = self.construct_scalar(node)
        value = self.construct_yaml_int(node) if len(text) < _LONGEST else None
        return text if value is None or not -(2**63) <= value < 2**64 else value

    def construct_fraction(self, node: Any) -> Any:
        text, value = self.construct_scalar(node), self.construct_yaml_float(node)
        return text if math.isinf(value) and "inf" not in text.lower() else value


# kubectl prints text without quotes if Go cannot read it as a number of 64 bits, such as the commit `7e34567`.
_Loader.add_constructor(_INT, _Loader.construct_whole)
_Loader.add_constructor(_FLOAT, _Loader.construct_fraction)
_Loader.add_constructor(_MERGE, _Loader.construct_yaml_str)  # `<<` as a value


def load(name: str, body: bytes) -> Iterator[Any]:
    """The documents, one by one. Raises Failure naming file, document, line and column."""
    number = 1
    aliased = b"&" in body and b"*" in body
    if _binary(body):
        raise Failure(f"{name}: neither JSON nor YAML: it is binary, or not in UTF-8")
    if _TAG_DIRECTIVE.search(body):
        raise Failure(f"{name}: not YAML of Kubernetes: it has a %TAG directive")
    if _may_be_deep(body):
        _check_depth(name, body)
    loader = _Loader(body)
    try:
        while True:
            try:
                if not loader.check_data():
                    return
                document = loader.get_data()
                if aliased:
                    _measure(document)
            except Exception as error:  # of any type: `!!bool perhaps` raises KeyError
                raise Failure(f"{name}: document {number}: {_line(error)}") from None
            yield document
            number += 1
    finally:
        loader.dispose()


def _check_depth(name: str, body: bytes) -> None:
    """Raise Failure for a document that is nested too deep. The events of the parser need no stack."""
    depth, number = 0, 0
    try:
        for event in yaml.parse(body, Loader=_Base):
            match event:
                case yaml.DocumentStartEvent():
                    number += 1
                case yaml.CollectionStartEvent():
                    depth += 1
                case yaml.CollectionEndEvent():
                    depth -= 1
            if depth > DEEPEST:
                raise Failure(f"{name}: document {number}: nested deeper than {DEEPEST} levels")
    except (yaml.YAMLError, ValueError):
        return  # the loader stops at the same place, with a better message


_STACKED = re.compile(rb"^ {%d}|(?:[-?] ){16}" % DEEPEST, re.MULTILINE)


def _may_be_deep(body: bytes) -> bool:
    """Whether anything in it could open so many levels: brackets, indentation, or dashes in a row."""
    return body.count(b"[") + body.count(b"{") > DEEPEST or _STACKED.search(body) is not None


def _binary(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return b"\0" in body[:65536]


def _line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return f"{at}not YAML: {error.problem}"
    return "not YAML: " + " ".join(str(error).split())


def _measure(document: Any) -> None:
    """Raise YAMLError if the document is too large with aliases followed, or contains itself. Each shared
    part is looked at once."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(document, False)]
    under_way: set[int] = set()
    while stack:
        value, done = stack.pop()
        if not isinstance(value, dict | list):
            continue
        children = list(value.values()) if isinstance(value, dict) else value
        if done:
            under_way.discard(id(value))
            size = 1 + sum(sizes.get(id(c), 1) if isinstance(c, dict | list) else 1 for c in children)
            if size > LARGEST:
                raise yaml.YAMLError("its aliases make it grow beyond measure")
            sizes[id(value)] = size
        elif id(value) in under_way:
            raise yaml.YAMLError("an alias contains itself")
        elif id(value) not in sizes:
            under_way.add(id(value))
            stack.append((value, True))
            stack.extend((child, False) for child in children)
