"""What a Service is assessed by before a patch: its own objects as they are now, and all others as the picture has
them."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from typing import cast

import pytest

from etpguard.assess import Engine
from etpguard.kube.writes import Writer
from etpguard.objects import ENDPOINT_SLICE, INGRESS, SERVICE, AnyKind
from etpguard.remediate.current_service import Reassessed
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.reread import ServiceReader
from tests.foresight.clusters import WEB, Json, alb, endpoints, node, picture_of, pod, service
from tests.remediate.model_api import ModelApi

OTHER_PORT = [{"name": "http", "port": 80, "nodePort": 31000, "protocol": "TCP"}]
NODES = [node("a"), node("b")]
PROBED = [service(name="other", ports=OTHER_PORT), endpoints([pod("q1", "a"), pod("q2", "b")], of="other")]
"""The load balancer of `web` asks the node port of this Service, which has an endpoint on each node."""
OWN = [service(), endpoints([pod("p1", "a")]), *alb(health_check="31000")]


def reassessed(now: list[Json]) -> tuple[Reassessed, bool]:
    """With these objects in the API; and whether that agrees with the assessment of the picture."""
    picture, families = picture_of([*NODES, *PROBED, *OWN])
    engine = Engine(picture, families)
    engine.refresh_all()
    api = ModelApi(lambda: 0.0, lambda name, manager, policy: None)
    kinds: dict[str, AnyKind] = {"Service": SERVICE, "EndpointSlice": ENDPOINT_SLICE, "Ingress": INGRESS}
    for made in now:
        if kind := kinds.get(made["kind"]):
            key = (kind.plural, made["metadata"]["namespace"], made["metadata"]["name"])
            api.create(key, copy.deepcopy(made))
            api.objects[key]["metadata"]["uid"] = made["metadata"].get("uid", "uid")
    reader = ServiceReader(
        cast(Writer, api),
        picture,
        lambda twin: Engine(twin, families),
        RemediationMemory(picture, time.monotonic, time.time),
        lambda kind: kind == INGRESS,
    )
    found = asyncio.run(reader.reassess(WEB))
    return found, found.agrees_with(engine.assessments[WEB], picture.nodes)


@pytest.mark.parametrize(
    ("changed", "outcome", "agrees"),
    [
        pytest.param(lambda each: each, "Blackhole", True, id="nothing changed, and another Service is probed"),
        pytest.param(
            lambda each: endpoints([pod("p1", "b")]) if each["kind"] == "EndpointSlice" else each,
            "Blackhole",
            False,
            id="the endpoint moved",
        ),
        pytest.param(
            lambda each: endpoints([pod("p1", "a"), pod("p2", "b")]) if each["kind"] == "EndpointSlice" else each,
            "Covered",
            False,
            id="another endpoint",
        ),
        pytest.param(
            lambda each: None if each["kind"] == "Ingress" else each, "Uncovered", False, id="the Ingress is gone"
        ),
        pytest.param(
            lambda each: None if each["kind"] == "EndpointSlice" else each,
            "NoEndpoints",
            False,
            id="the slice is gone",
        ),
    ],
)
def test_what_is_read_again_and_what_the_picture_has(
    changed: Callable[[Json], Json | None], outcome: str, agrees: bool
) -> None:
    found, same = reassessed([made for each in OWN if (made := changed(each)) is not None])
    assert found.assessment is not None
    assert (found.assessment.outcome.name, same) == (outcome, agrees)
