"""Whether a node meets a requirement of a node affinity. Pure.

k8s.io/component-helpers v0.37.2 scheduling/corev1/nodeaffinity/nodeaffinity.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def requirement_admits(key: str, operator: str, values: Sequence[str], labels: Mapping[str, str]) -> bool:
    """Gt and Lt compare integers. An operator that the API does not have admits no node."""
    value = labels.get(key)
    match operator:
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
            return number > bound if operator == "Gt" else number < bound
        case _:
            return False
