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

_INTEGER = re.compile(r"[+-]?[0-9]+")


class ModelError(Exception):
    """The controller cannot make a load balancer of the object. Never leaves this package."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = Reason(code, detail)


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
        """Comma-separated `key=value` pairs, in which `\\,` is a comma: parser.go:149-173,218-253.

        A pair without `=` or with an empty key is an error, as it is for the controller.
        """
        value = self.get(suffix)
        if value is None:
            return {}
        found: dict[str, str] = {}
        for entry in (part.strip() for part in _split(value)):
            if not entry:
                continue
            name, separator, rest = entry.partition("=")
            if not separator or not name.strip():
                raise self.error(suffix, f"holds {entry[:40]!r}, which is not key=value")
            found[name.strip()] = rest.strip()
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


def _split(value: str) -> list[str]:
    """Split at commas that no backslash escapes."""
    return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", value)]


def field(raw: Mapping[str, Any], name: str) -> Any:
    """A member of a JSON object as Go's decoder finds it: the key in any case, the last one wins; null is
    as good as absent."""
    found = None
    for key, value in raw.items():
        if key.casefold() == name.casefold():
            found = value
    return found
