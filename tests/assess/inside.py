"""Services with internalTrafficPolicy: Local, and their assessments."""

from __future__ import annotations

from typing import Any

from etpguard.assess import Engine, InternalAssessment, Options
from etpguard.assess.data_planes.interface import (
    Detector,
)
from etpguard.cluster import Picture
from etpguard.objects import Key, Record, Reject, Service
from tests.assess.build import (
    WEB,
    endpoint,
    endpoint_slice,
    node,
    picture_with,
    service,
)

Json = dict[str, Any]
HTTP = ({"name": "http", "port": 80},)
ON_N1 = endpoint_slice([endpoint("n1")])
NOWHERE = endpoint_slice([endpoint("n1", ready=False)])


def inside(name: str = "web", ports: Any = HTTP, **fields: Any) -> Service:
    """A ClusterIP Service with the internal policy Local."""
    given: Json = {"type": "ClusterIP", "externalTrafficPolicy": None, "internalTrafficPolicy": "Local"}
    return service(name, ports, **{**given, **fields})


def assessed(
    *objects: Record | Reject, planes: Detector | None = None, of: Key = WEB
) -> tuple[InternalAssessment | None, Picture]:
    picture = picture_with(*objects)
    engine = Engine(picture, [], Options(data_planes=planes) if planes else None)
    engine.refresh_all()
    return engine.internal.get(of), picture


VIRTUAL = node("n2", labels={"type": "virtual-kubelet"})
