"""Annotations as the controller reads them: pkg/annotations/parser.go and pkg/algorithm/maps.go of
aws-load-balancer-controller v3.5.0."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_selection import is_label_key, is_label_value
from etpguard.assess.outcome import Reason
from etpguard.objects.records import AnnotatedRecord

ALB = "alb.ingress.kubernetes.io/"
NLB = "service.beta.kubernetes.io/aws-load-balancer-"

MAX_ANNOTATION = 16_384
"""Characters. The longest value in the controller's documentation has some hundreds; the API server allows 262,144
for all annotations of an object together."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


class ModelError(Exception):
    """The controller cannot make a load balancer of the object. Never leaves this package."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = Reason(code, detail)


class UnclearError(ModelError):
    """An object that decides about the load balancer cannot be read. Nodes that forward lose nothing, whatever it
    contains."""


class Annotations:
    """The annotations of one or more objects. The first object that has a key decides: MergeStringMap keeps the
    earlier map (pkg/algorithm/maps.go:23-36). The work of each method is linear in the length of the value."""

    def __init__(self, prefix: str, *objects: tuple[str, AnnotatedRecord]) -> None:
        self._prefix = prefix
        self._objects = objects

    def get(self, suffix: str) -> str | None:
        """Raises ModelError for a value longer than `MAX_ANNOTATION`."""
        value = self._value(suffix)
        if value is not None and len(value) > MAX_ANNOTATION:
            raise self.error(suffix, f"has {len(value)} characters; etpguard reads at most {MAX_ANNOTATION}")
        return value

    def _value(self, suffix: str) -> str | None:
        key = self._prefix + suffix
        for _, record in self._objects:
            if key in record.annotations:
                return record.annotations[key]
        return None

    def error(self, suffix: str, problem: str) -> ModelError:
        """An error that names the object and the annotation, and shows the value, cut to 80 characters."""
        key = self._prefix + suffix
        owner = next((f"{kind} {r.key}" for kind, r in self._objects if key in r.annotations), "")
        value = self._value(suffix) or ""
        shown = value if len(value) <= 80 else value[:79] + "…"
        return ModelError("MalformedAnnotation", f"{owner}, annotation {key}: {shown!r} {problem}")

    def integer(self, suffix: str) -> int | None:
        """The value as strconv.ParseInt(value, 10, 64) reads it: parser.go ParseInt64Annotation. None where the
        annotation is absent."""
        value = self.get(suffix)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
            raise self.error(suffix, "is no integer")
        return int(value)

    def boolean(self, suffix: str) -> bool:
        """The value as strconv.ParseBool reads it, which ParseBoolAnnotation calls; False where the annotation is
        absent."""
        value = self.get(suffix)
        if value is not None and value not in BOOLEANS:
            raise self.error(suffix, "is neither true nor false")
        return value is not None and BOOLEANS[value]

    def choice(self, suffix: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.get(suffix)
        if value is None:
            return default
        if value not in allowed:
            raise self.error(suffix, f"is none of {', '.join(allowed)}")
        return value

    def pairs(self, suffix: str) -> dict[str, str]:
        """Comma-separated `key=value` pairs (parser.go:149-173,218-253). A backslash removes the special meaning
        of the next character; a part without `=` or key is an error."""
        value = self.get(suffix)
        if value is None:
            return {}
        found: dict[str, str] = {}
        for pair in _pairs(value):
            name, separator, rest = (part.strip() for part in pair.partition("="))
            if not separator or not name:
                raise self.error(suffix, f"has the part {pair[:40]!r}, which is not key=value")
            found[name] = rest
        return found

    def labels(self, suffix: str) -> dict[str, str]:
        """As `pairs`, but each pair must be a valid label."""
        found = self.pairs(suffix)
        for name, value in found.items():
            if not is_label_key(name) or not is_label_value(value):
                raise self.error(suffix, f"has the part {f'{name}={value}'[:40]!r}, which is no label")
        return found

    def json(self, suffix: str) -> Any:
        """The decoded JSON; None where the annotation is absent."""
        value = self.get(suffix)
        if value is None:
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise self.error(suffix, "is no JSON") from None


def _pairs(value: str) -> list[str]:
    """splitKeyValuePairs: split at each comma that an "=" follows anywhere later; the rest without "=" is one more
    part."""
    found: list[str] = []
    current: list[str] = []
    last_equals, end = value.rfind("="), len(value.rstrip())
    at = 0
    while at < len(value):
        character = value[at]
        if character == "\\" and at + 1 < len(value):
            at += 1
            current.append(value[at])
        elif character != ",":
            current.append(character)
        elif last_equals > at:
            found.append("".join(current).strip())
            current = []
        elif end > at + 1:
            return [*found, "".join(current).strip(), value[at + 1 :].strip()]
        else:
            current.append(character)
        at += 1
    return [*found, "".join(current).strip()] if current else found


def field(raw: Mapping[str, Any], name: str) -> Any:
    """A member of a JSON object as Go's decoder finds it: the key in any case, and the last one wins. Null counts
    as absent."""
    found = None
    for key, value in raw.items():
        if key.casefold() == name.casefold():
            found = value
    return found


def parse_port(raw: str) -> int | str:
    """As intstr.Parse: a number where strconv.Atoi reads one, else a name. The pattern limits the length, because
    Python refuses to read numbers of thousands of digits."""
    return int(raw) if _INTEGER.fullmatch(raw) else raw
