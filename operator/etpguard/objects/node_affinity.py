"""The node affinity of a pod, and whether a node meets it. Pure.

k8s.io/component-helpers v0.37.2 scheduling/corev1/nodeaffinity/nodeaffinity.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from etpguard.objects.records import Shape


class NodeRequirement(Shape, frozen=True):
    """Gt and Lt compare integers."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...] | None = None

    def admits(self, labels: Mapping[str, str]) -> bool:
        value, values = labels.get(self.key), self.values or ()
        match self.operator:
            case "In":
                return value in values
            case "NotIn":
                return value not in values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                try:
                    number, bound = int(value or ""), int(values[0] if values else "")
                except ValueError:
                    return False
                return number > bound if self.operator == "Gt" else number < bound


class NodeTerm(Shape, frozen=True):
    match_expressions: tuple[NodeRequirement, ...] | None = None
    match_fields: tuple[NodeRequirement, ...] | None = None

    def admits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the term matches the node of that name, with these labels. A term without a requirement matches
        no node."""
        expressions, fields = self.match_expressions or (), self.match_fields or ()
        if not expressions and not fields:
            return False
        named = {"metadata.name": name}
        return all(each.admits(labels) for each in expressions) and all(each.admits(named) for each in fields)


class NodeTerms(Shape, frozen=True):
    node_selector_terms: tuple[NodeTerm, ...] | None = None


class NodeAffinity(Shape, frozen=True):
    required: NodeTerms | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)

    @property
    def terms(self) -> tuple[NodeTerm, ...]:
        """The required terms, of which a node must match one."""
        return (self.required and self.required.node_selector_terms) or ()

    def admits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the node of that name, with these labels, meets what is required."""
        return self.required is None or any(term.admits(name, labels) for term in self.terms)
