"""Validate a value against a structural schema as the API server does. Knows the keywords that the CRDs of
etpguard use.

apiextensions-apiserver 1.37 pkg/apiserver/schema/defaulting/prune.go (nulls); kube-openapi pkg/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


def violations(value: Any, schema: Schema, at: str) -> Iterator[str]:
    """A line for each fault in `value`, with its path. `at` is the path of `value` itself."""
    kinds = ("integer", "string") if schema.get("x-kubernetes-int-or-string") else (schema["type"],)
    if not any(_is(value, kind) for kind in kinds):
        yield f"{at}: expected {' or '.join(kinds)}, got {_shown(value)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {_shown(value)} is not one of {', '.join(schema['enum'])}"
    match value:
        case dict():
            yield from _in_object(value, schema, at)
        case list():
            yield from _in_array(value, schema, at)
        case str():
            yield from _outside(len(value), schema, "Length", f"{at}: {_shown(value)} has", "characters")
            if "pattern" in schema and not re.fullmatch(schema["pattern"], value):  # all patterns are anchored
                yield f"{at}: {_shown(value)} does not match {schema['pattern']}"
        case int():
            yield from _outside(value, schema, "imum", f"{at}:", "")


def _is(value: Any, kind: str) -> bool:
    """Unlike in Python, True and False are not integers, and an integer is an int64."""
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return isinstance(value, _TYPES[kind])


def _in_object(value: dict[Any, Any], schema: Schema, at: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from _outside(len(value), schema, "Properties", f"{at} has", "entries")
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield f"{at}.{name}: required"
    for name, inner in value.items():
        known = properties.get(name, others)
        if known is None:
            yield f"{at}.{name}: unknown field"
        elif inner is not None:  # null counts as absent
            yield from violations(inner, known, f"{at}.{name}")


def _in_array(value: list[Any], schema: Schema, at: str) -> Iterator[str]:
    yield from _outside(len(value), schema, "Items", f"{at} has", "items")
    for number, inner in enumerate(value):
        yield from violations(inner, schema["items"], f"{at}[{number}]")
        if schema.get("x-kubernetes-list-type") == "set" and inner in value[:number]:
            yield f"{at}[{number}]: {_shown(inner)} is a duplicate"


def _outside(size: int, schema: Schema, bound: str, what: str, unit: str) -> Iterator[str]:
    """Check `minLength`, `maximum` and similar keywords: `bound` is what follows min and max."""
    least, most = schema.get(f"min{bound}"), schema.get(f"max{bound}")
    if least is not None and size < least:
        yield f"{what} {size} {unit}, fewer than {least}" if unit else f"{what} {size} is less than {least}"
    if most is not None and size > most:
        yield f"{what} {size} {unit}, more than {most}" if unit else f"{what} {size} is more than {most}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return repr(value)[:60] if isinstance(value, str | bool | int) else type(value).__name__
