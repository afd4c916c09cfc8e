"""Annotations as the controller reads them: pkg/annotations/parser.go and pkg/algorithm/maps.go of
aws-load-balancer-controller v3.5.0."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from etpguard.assess.outcome import Reason
from etpguard.objects.records import AnnotatedRecord

ALB = "alb.ingress.kubernetes.io/"
NLB = "service.beta.kubernetes.io/aws-load-balancer-"

BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""strconv.ParseBool."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_LABEL_NAME = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class ModelError(Exception):
    """The controller cannot make a load balancer of the object. Never leaves this package."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = Reason(code, detail)


class UnclearError(ModelError):
    """What decides over the object cannot be read. Whichever way it is, nodes that forward lose nothing."""


class Annotations:
    """The annotations of one or more objects, with the first that has a key deciding: MergeStringMap
    keeps the earlier map (pkg/algorithm/maps.go:23-36)."""

    def __init__(self, prefix: str, *objects: tuple[str, AnnotatedRecord]) -> None:
        self._prefix = prefix
        self._objects = objects

    def get(self, suffix: str) -> str | None:
        key = self._prefix + suffix
        for _, record in self._objects:
            if key in record.annotations:
                return record.annotations[key]
        return None

    def error(self, suffix: str, problem: str) -> ModelError:
        """An error that names the object and the annotation, and shows the value, cut to 80 characters."""
        key = self._prefix + suffix
        owner = next((f"{kind} {r.key}" for kind, r in self._objects if key in r.annotations), "")
        value = self.get(suffix) or ""
        value = value.replace("\n", " ")
        shown = value if len(value) <= 80 else value[:79] + "…"
        return ModelError("MalformedAnnotation", f"{owner}, annotation {key}: {shown!r} {problem}")

    def integer(self, suffix: str) -> int | None:
        """strconv.ParseInt(value, 10, 64): parser.go ParseInt64Annotation."""
        value = self.get(suffix)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
            raise self.error(suffix, "is no integer")
        return int(value)

    def choice(self, suffix: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.get(suffix)
        if value is None:
            return default
        if value not in allowed:
            raise self.error(suffix, f"is none of {', '.join(allowed)}")
        return value

    def pairs(self, suffix: str) -> dict[str, str]:
        """Comma-separated `key=value` pairs (parser.go:149-173,218-253). A backslash takes the meaning from
        what follows it; a part without `=` or key is an error."""
        value = self.get(suffix)
        if value is None:
            return {}
        found: dict[str, str] = {}
        for pair in _pairs(value):
            name, separator, rest = (part.strip() for part in pair.partition("="))
            if not separator or not name:
                raise self.error(suffix, f"holds {pair[:40]!r}, which is not key=value")
            found[name] = rest
        return found

    def labels(self, suffix: str) -> dict[str, str]:
        """The same, where each pair is one that a label selector takes."""
        found = self.pairs(suffix)
        for name, value in found.items():
            if not _LABEL_NAME.fullmatch(name) or not _LABEL_VALUE.fullmatch(value):
                raise self.error(suffix, f"holds {f'{name}={value}'[:40]!r}, which is no label")
        return found

    def json(self, suffix: str) -> Any:
        """None where there is none."""
        value = self.get(suffix)
        if value is None:
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise self.error(suffix, "is no JSON") from None


def _pairs(value: str) -> list[str]:
    """splitKeyValuePairs: parted at each comma after which an "=" follows; what has none is one part more."""
    found: list[str] = []
    current = ""
    at = 0
    while at < len(value):
        character = value[at]
        if character == "\\" and at + 1 < len(value):
            at += 1
            current += value[at]
        elif character == ",":
            rest = value[at + 1 :].strip()
            if "=" in rest:
                found.append(current.strip())
                current = ""
            elif rest:
                return [*found, current.strip(), rest]
            else:
                current += character
        else:
            current += character
        at += 1
    return [*found, current.strip()] if current else found


def field(raw: Mapping[str, Any], name: str) -> Any:
    """A member of a JSON object as Go's decoder finds it: the key in any case, the last one wins; null is
    as good as absent."""
    found = None
    for key, value in raw.items():
        if key.casefold() == name.casefold():
            found = value
    return found


def parse_port(raw: str) -> int | str:
    """intstr.Parse: a number where strconv.Atoi takes it for one, else a name. (`fullmatch` bounds the
    length, for Python refuses to read numbers of thousands of digits.)"""
    return int(raw) if _INTEGER.fullmatch(raw) else raw
