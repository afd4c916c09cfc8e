"""Yandex Cloud: network load balancers, by the controller of Deckhouse.

The rules come from deckhouse/yandex-cloud-controller-manager 8322153,
pkg/cloudprovider/yandex/load_balancer.go. The controller of Managed Service for Kubernetes is not public.
"""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.load_balancers import OLDER_CLOUD_NODES, refused, standard_check
from etpguard.assess.consumers.shared.recognition import first_mark
from etpguard.assess.consumers.targets import NodeTargets, Targets, UnknownOutcome, not_modelled
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

(_PREFIX,) = SIGNS["yandex"].marks
TARGET_GROUP = f"{_PREFIX}target-group-name-prefix"
MOST_PORTS = 10


class YandexCloud(Cloud):
    name = "yandex"
    client_ip = ClientIP.LOST
    without_address = f"the Service has more than {MOST_PORTS} ports, the target group does not exist"
    documented = (
        DocumentedConsumer(
            consumer="Yandex Cloud network load balancer of Deckhouse",
            found_by=f"`{_PREFIX}` annotation; providerID `yandex://` alone may be Managed Service for Kubernetes",
            nodes="cloud nodes whose Node and Service have the same `target-group-name-prefix`, or none",
            health_check="HTTP `/healthz` on healthCheckNodePort, for UDP too",
            with_local="`TargetsUnhealthy`; `Unknown` if no Node has the annotation, and by providerID alone",
            evidence=Evidence.DOCUMENTED,
            source="deckhouse/yandex-cloud-controller-manager 8322153 load_balancer.go, "
            "load_balancer_tg_controller.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """All ports have the same health check, and so the same targets."""
        return view.once("yandex", service, _targets)

    def _as_of_last_sync(self, service: Service) -> str:
        """load_balancer_tg_controller.go:103: a change of the annotation does not start a sync."""
        if TARGET_GROUP not in service.annotations:
            return ""
        return f"; its nodes are those with the same {TARGET_GROUP} as of the last sync of the controller"


def _targets(service: Service) -> Targets:
    """116 ensureLB: more than 10 ports are an error. 172-190: the check. 218: the controller fails if no target
    group has the name. 275, load_balancer_tg_controller.go:168: the annotation of a Node names its group. The Node
    is in no other group, so a Service without the annotation does not reach it."""
    if not first_mark(service, _PREFIX):
        detail = (
            "no API object shows whether Deckhouse or Managed Service for Kubernetes serves the Service. "
            "Deckhouse checks the healthCheckNodePort, and takes the nodes without an endpoint out of use. How "
            "Managed Service for Kubernetes checks nodes is not known, and a share of the requests may be lost. "
            "Look at the health checks of the load balancer in Yandex Cloud"
        )
        return not_modelled(OLDER_CLOUD_NODES, detail)
    if len(service.ports) > MOST_PORTS:
        cause = f"the Service has {len(service.ports)} ports, and Yandex Cloud takes {MOST_PORTS} at most"
        return UnknownOutcome(refused("TooManyPorts", cause), OLDER_CLOUD_NODES)
    group = service.annotations.get(TARGET_GROUP, "")
    rule = replace(OLDER_CLOUD_NODES, yandex_target_group=group)
    return NodeTargets(rule, standard_check(service), keeps_targets=_missing(group))


def _missing(group: str) -> Reason:
    """Where no node is in the target group."""
    nodes = f"with {TARGET_GROUP}={group[:63]}" if group else f"without {TARGET_GROUP}"
    detail = (
        f"no Node {nodes} can be a target, so the controller finds no target group and fails. If it made no load "
        "balancer before, all is lost. A load balancer that it made stays as it was, and requests may arrive. "
        "Look at the events of the Service"
    )
    return Reason("NoTargetGroup", detail)
