"""Which consumers a Service has, and when they are looked for again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etpguard.assess import Engine, Outcome
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import NodeTargets, NoneHealthy
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import AnswersEverywhere
from etpguard.objects import Key, Service
from tests.assess.build import (
    NODES,
    ON_N1,
    WEB,
    Given,
    Watched,
    consumer,
    endpoint,
    endpoint_slice,
    node,
    picture_with,
    service,
)

Json = dict[str, Any]


def test_one_family_of_consumers_owns_an_object() -> None:
    first, second = (
        Given(web=[consumer("same")]),
        Given(web=[consumer("same", AnswersEverywhere()), consumer("more")]),
    )
    engine = Engine(picture_with(service(), ON_N1, *NODES), [first, second])
    engine.refresh_all()
    assert [v.consumer.name for v in engine.assessments[WEB].consumers] == ["same", "more"]
    assert engine.assessments[WEB].outcome is Outcome.TargetsUnhealthy


class Reading(Given):
    """Probes a node port, whichever Service owns it, and says what the platform is."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.key != WEB:
            return
        targets = NodeTargets(
            NodeRule(), view.check_on(30099, service, None), none_healthy=NoneHealthy.SENDS_TO_ALL
        )
        name = ",".join(sorted(view.platforms)) or "none"
        yield consumer(name, targets=targets)


PROBED: Json = {"ports": [{"name": "hc", "port": 1, "nodePort": 30099}], "selector": {"app": "hc"}}
HC = [{"name": "hc", "protocol": "TCP", "port": 1}]


def test_the_owner_of_a_probed_node_port_is_followed() -> None:
    watched = Watched(service(), ON_N1, *NODES, family=Reading())
    assert watched.outcome == "Unknown", "nobody is known to answer there"
    watched.put(service("hc", **PROBED))
    assert watched.outcome == "Blackhole", "its Service has no endpoint: no target is healthy, and all are sent to"
    assert watched.reason == "NoHealthyTarget"
    watched.put(endpoint_slice([endpoint("n2")], HC, name="hc-1", of="hc"))
    assert watched.outcome == "Blackhole", "it passes on n2, which drops"
    watched.put(endpoint_slice([endpoint("n1")], HC, name="hc-1", of="hc"))
    assert watched.outcome == "TargetsUnhealthy"
    watched.put(service("hc", **{**PROBED, "externalTrafficPolicy": "Cluster"}))
    assert watched.outcome == "Blackhole", "it passes everywhere"
    watched.put(service("hc", ports=[{"name": "hc", "port": 1, "nodePort": 30098}]))
    assert watched.outcome == "Unknown"


def test_consumers_are_found_again_when_the_platform_changes() -> None:
    watched = Watched(service(), ON_N1, *NODES, family=Reading())
    assert [v.consumer.name for v in watched.engine.assessments[WEB].consumers] == ["none"]
    watched.put(node("n1", provider_id="aws:///zone/i-1"))
    assert [v.consumer.name for v in watched.engine.assessments[WEB].consumers] == ["aws"]


class Failing(Given):
    """Raises for the Service `web`, after its first consumer."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.key == WEB:
            yield consumer("first")
            raise RuntimeError("no such rule")


def test_a_family_that_fails_on_one_service_makes_that_consumer_unknown() -> None:
    families = [Failing(), Given(web=[consumer("second")], other=[consumer("third")])]
    picture = picture_with(service(), service("other"), ON_N1, *NODES, families=families)
    engine = Engine(picture, families)
    engine.refresh_all()
    found = {v.consumer.name: (v.outcome.name, v.reason.code) for v in engine.assessments[WEB].consumers}
    assert found == {
        "first": ("TargetsUnhealthy", "TargetsUnhealthy"),
        "web": ("Unknown", "FamilyFailed"),
        "second": ("TargetsUnhealthy", "TargetsUnhealthy"),
    }
    assert engine.assessments[WEB].outcome is Outcome.Unknown
    assert "RuntimeError: no such rule" in engine.assessments[WEB].reason.detail
    (other,) = engine.assessments[Key("default", "other")].consumers
    assert other.consumer.name == "third"
