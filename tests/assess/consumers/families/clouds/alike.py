"""What the tests of several clouds share: a Service with annotations of one prefix, on nodes a, b and c of
which a has an endpoint, and the views of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.assess.consumers.worlds import Json, Seen, service

ADDRESS = [{"ip": "203.0.113.7"}]

UNHEALTHY = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
"""The health check finds the nodes without an endpoint."""
UNKNOWN = Seen("Unknown", "InvalidAnnotation", "abc", "bc")
"""The controller rejects an annotation."""
NO_NODE_PORT = Seen("NoTargets", "NoNodePort", "", "")


def annotated(prefix: str) -> Callable[..., Json]:
    """Makes a Service from its ports and from annotations as keywords, `_` for `-`, each with this prefix."""

    def web(ports: list[Json] | None = None, **annotations: str) -> Json:
        given = {f"{prefix}{key.replace('_', '-')}": value for key, value in annotations.items()}
        return service(annotations=given, ports=ports or [], ingress=ADDRESS)

    return web
