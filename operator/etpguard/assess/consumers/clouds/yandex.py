"""Yandex Cloud: network load balancers, by the controller of Deckhouse.

The rules are those of deckhouse/yandex-cloud-controller-manager 8322153,
pkg/cloudprovider/yandex/load_balancer.go. The controller of Managed Service for Kubernetes is not public.
"""

from __future__ import annotations

from etpguard.assess.consumers.clouds.cloud import Cloud
from etpguard.assess.consumers.interface import (
    DocumentedConsumer,
    Evidence,
    NodeTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
    View,
)
from etpguard.assess.consumers.load_balancers import CLOUD_NODES, first_mark, standard_check
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

_PREFIX = "yandex.cpi.flant.com/"
TARGET_GROUP = f"{_PREFIX}target-group-name-prefix"
MOST_PORTS = 10


class YandexCloud(Cloud):
    name = "yandex"
    provider = "Yandex Cloud"
    client_ip = ClientIP.LOST
    without_address = f"the Service has more than {MOST_PORTS} ports, the target group does not exist"
    documented = (
        DocumentedConsumer(
            consumer="Yandex Cloud network load balancer of Deckhouse",
            found_by=f"`{_PREFIX}` annotation; providerID `yandex://` alone may be Managed Service for Kubernetes",
            nodes="cloud nodes; with `target-group-name-prefix` those whose Node has the same annotation",
            health_check="HTTP `/healthz` on healthCheckNodePort, for UDP too",
            with_local="`TargetsUnhealthy`; `Unknown` with `target-group-name-prefix`, and by providerID alone",
            evidence=Evidence.DOCUMENTED,
            source="deckhouse/yandex-cloud-controller-manager 8322153 load_balancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """One check for all ports, so the same targets."""
        return view.once("yandex", service, _targets)


def _targets(service: Service) -> Targets:
    """116 ensureLB: more than 10 ports are an error. 172-190: the check. load_balancer_tg_controller.go:168: the
    annotation on Nodes, which etpguard does not read, decides on their target group."""
    if not first_mark(service, _PREFIX):
        detail = (
            "no API object shows whether Deckhouse or Managed Service for Kubernetes serves it: Deckhouse checks "
            "the healthCheckNodePort and takes the nodes without an endpoint out of use; how the other one checks "
            "nodes is not known, and a share of the requests may be lost"
        )
        return PossibleNodes(CLOUD_NODES, Reason("ControllerNotModelled", detail))
    if len(service.ports) > MOST_PORTS:
        detail = (
            f"the Service has {len(service.ports)} ports, and Yandex Cloud takes {MOST_PORTS} at most: the "
            "controller fails and serves no port of the Service, or leaves the load balancer as it was"
        )
        return UnknownOutcome(Reason("TooManyPorts", detail), CLOUD_NODES)
    if TARGET_GROUP in service.annotations:
        detail = (
            f"{TARGET_GROUP} limits the target group to the Nodes with the same annotation, which etpguard does "
            "not read: if a node with an endpoint is among them, the others are taken out of use; if none is, all "
            "is lost"
        )
        return PossibleNodes(CLOUD_NODES, Reason("TargetGroupNotKnown", detail), sends_to_one=True)
    return NodeTargets(CLOUD_NODES, standard_check(service))
