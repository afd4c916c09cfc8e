"""A remediation reads the Lease of Cilium again, in the namespace of Cilium, and not in that of the Service."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from etpguard.assess import DataPlane, Engine, Options, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.kube.verbs import Request
from etpguard.kube.writes import Writer
from etpguard.objects import AnyKind, Key, Record, decode_item
from etpguard.objects.cilium import CILIUM_L2_ANNOUNCEMENT_POLICY, CILIUM_L2_LEASE
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.reread import ServiceReader
from tests.assess.build import one_plane
from tests.assess.consumers.families.cilium.given import L2, V1_19, lease, policy
from tests.assess.consumers.worlds import KEY, Json, endpoints, nodes, service
from tests.remediate.model_api import ModelApi

OPTIONS = Options(one_plane(DataPlane.CILIUM, version=V1_19, settings=()))


class Api(ModelApi):
    """Notes where each kind is listed."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0, lambda name, manager, policy: None)
        self.listed: dict[str, set[str]] = {}

    def _carry_out(self, request: Request) -> Json:
        if request.verb == "list":
            self.listed.setdefault(request.resource, set()).add(request.namespace)
        return super()._carry_out(request)


def test_the_lease_is_read_again_where_it_is() -> None:
    families = consumer_families()
    picture = picture_for(families)
    kinds: dict[str, AnyKind] = {kind.name: kind for kind in picture.kinds}
    subject = service(loadBalancerClass=L2, ingress=[{"ip": "203.0.113.9"}])
    before = (subject, endpoints("a"), *nodes(""), policy(), lease("b"))
    for made in before:
        record: Any = decode_item(kinds[made["kind"]], made)
        assert isinstance(record, Record)
        picture.absorb(picture.store(kinds[made["kind"]]).replace([record]))
    api = Api()
    now = (subject, endpoints("a"), lease("a"), lease("c", of=Key("shop", "other")))
    for made in (*now, {**lease("x"), "metadata": {"name": "kube-scheduler", "namespace": "kube-system"}}):
        meta = made["metadata"]
        api.create((kinds[made["kind"]].plural, meta["namespace"], meta["name"]), made)
    served = (CILIUM_L2_LEASE, CILIUM_L2_ANNOUNCEMENT_POLICY)
    reader = ServiceReader(
        cast(Writer, api),
        picture,
        lambda twin: Engine(twin, families, OPTIONS),
        RemediationMemory(picture, time.monotonic, time.time),
        lambda kind: kind in served,
    )
    found = asyncio.run(reader.reassess(KEY)).assessment
    assert found is not None
    assert found.outcome.name == "Covered", "the picture has an older holder"
    assert api.listed["leases.coordination.k8s.io"] == {"kube-system"}
