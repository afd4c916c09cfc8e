"""The Azure load balancer (cloud-provider-azure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.azure.annotations import (
    CONFIGURATIONS,
    INTERNAL,
    NOT_FLOATING,
    PLS_PROXY,
    PREFIX,
    has_rule,
    is_proxied,
    is_true,
    of_port,
    one_rule,
)
from etpguard.assess.consumers.families.azure.probes import before_cluster, fails_under_cluster, probed
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import drop_annotation, health_checked, unpin
from etpguard.assess.consumers.shared.known_annotations import AZURE, spelling
from etpguard.assess.consumers.shared.load_balancers import (
    UNCHECKED,
    Balancer,
    no_node_port,
    no_target,
    refused,
    served_families,
    standard_check,
)
from etpguard.assess.consumers.shared.recognition import by_mark, by_nodes, classless, sole_cloud
from etpguard.assess.consumers.targets import NodeTargets, NoneHealthy, Otherwise, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL, Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Outcome, Reason
from etpguard.cluster.picture import Referrer
from etpguard.objects import SERVICE, IPFamily, Key, Kind, Node, Requirement, Service, ServicePort
from etpguard.objects.records import presence_key

_PORTS_KEPT = Reason(
    "NoNodePort",
    "a rule for all ports has no floating IP with an internal IPv6 address. It sends to the addresses of the "
    "nodes and keeps the port of the Service, where no node port is. Test a connection to the load balancer",
)
"""The end of azure_loadbalancer.go getExpectedLoadBalancingRulePropertiesForPort: the backend port is 0."""

_CONTROL_PLANE = (
    Requirement("node-role.kubernetes.io/control-plane", "DoesNotExist"),
    Requirement("node-role.kubernetes.io/master", "DoesNotExist"),
    Requirement("kubernetes.io/role", "NotIn", ("master",)),
)
"""azure_vmss.go:1225, azure_standard.go:961 and azure_loadbalancer_backendpool.go:379."""
_RESOURCE_GROUP = Requirement("kubernetes.azure.com/resource-group", "DoesNotExist")
"""A node outside the resource group of the cloud config."""
_COMMON = (
    Requirement(EXCLUDE_LABEL, "DoesNotExist"),
    Requirement("kubernetes.azure.com/managed", "NotIn", ("false", "False", "FALSE")),
)
"""azure.go:851: the exclude label excludes by its presence, whatever its value."""

AZURE_NODES = NodeRule(
    requirements=(*_COMMON, *_CONTROL_PLANE, _RESOURCE_GROUP),
    readiness=Readiness.IGNORED,
    skip_deleting=True,
    as_of_last_sync=True,
)
"""The nodes of a Standard load balancer, or of a pool of addresses."""
_BASIC = replace(AZURE_NODES, requirements=_COMMON)
_BY_CLOUD_CONFIG = Otherwise(
    _BASIC,
    Reason(
        "CloudConfigNotKnown",
        "no API object shows the cloud config. It decides whether control-plane nodes (loadBalancerSku, "
        "excludeMasterFromStandardLB) and nodes of other resource groups are targets",
    ),
)

_LOCAL_POOL = replace(AZURE_NODES, hosts=Hosts.ANY)
"""azure_local_services.go:546: the nodes of any endpoint, ready or not."""
_SINGLE = Otherwise(
    AZURE_NODES,
    Reason(
        "CloudConfigNotKnown",
        "no API object shows the cloud config. With multipleStandardLoadBalancerConfigurations in it, the targets "
        "are the nodes with endpoints. Without it, they are all nodes",
    ),
)
_SEVERAL = (
    f"the cloud config has several load balancers, since the Service has the annotation {CONFIGURATIONS}. Its "
    "targets are then the nodes with endpoints"
)


def _balancer(service: Service) -> str:
    """The load balancer of the cluster that has the Service; the cloud config may give it another one."""
    return "internal" if is_true(service, INTERNAL) else "public"


def _proxied_on(balancer: str) -> Key:
    """The key to which the Services refer that are on this load balancer and `is_proxied`."""
    return presence_key("AzureProxied", balancer)


def _proxied_balancer(service: Service) -> Iterable[Key]:
    return (_proxied_on(_balancer(service)),) if classless(service) and is_proxied(service) else ()


def _beside_proxied(service: Service, view: View, targets: NodeTargets) -> Targets:
    """The targets where another Service may add a PROXY protocol header to the health checks of this one: Azure
    adds it to all probes of a load balancer (azure-docs issue 64867, kubernetes pull request 121819)."""
    check = targets.check
    if check.settings is None or check.settings.protocol == "TCP":
        return targets
    balancer = _balancer(service)
    if not view.any_refers(SERVICE, _proxied_on(balancer)):
        return targets
    detail = (
        f"another {balancer} Service has a private link service with PROXY protocol ({PLS_PROXY}). If both have "
        "one load balancer, all its probes have a PROXY protocol header, which kube-proxy does not understand. "
        "This check then fails on all nodes, and all is lost. Look at the load balancers of the two Services"
    )
    return UnknownOutcome(Reason("HealthCheckNotKnown", detail), targets.rule, check)


class AzureLoadBalancer(BaseFamily):
    """cloud-provider-azure 7b31c76, pkg/provider; file names without a path are there.

    The probe of the healthCheckNodePort outranks the others (azure_loadbalancer.go:3181-3204), except for a port
    with its own probe port or without a probe, and behind a private link service with PROXY protocol. With
    several load balancers a Local Service has a pool of the nodes with endpoints
    (azure_local_services.go:489-546). With no healthy target, new flows are refused (Azure documentation, "Load
    Balancer health probes").
    """

    name = "azure-load-balancer"
    balancers_only = True
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({SERVICE: (_proxied_balancer,)})
    documented = (
        DocumentedConsumer(
            consumer="Azure Load Balancer",
            found_by="no class; providerID `azure://` with annotation `azure-*` or the cleanup finalizer",
            nodes=(
                "cloud nodes, except control-plane nodes and nodes with the exclude label (any value) or "
                "`kubernetes.azure.com/managed=false`; with several load balancers, only those with endpoints"
            ),
            health_check=(
                "HTTP `/healthz` on healthCheckNodePort, 2 failures 5 s apart; annotations change it for a "
                "port, and appProtocol then counts too; not with HA ports (internal)"
            ),
            with_local="`TargetsUnhealthy`; sends to no node while none is healthy",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-azure 7b31c76 pkg/provider/azure.go, azure_loadbalancer.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if not classless(service) or sole_cloud(view) != "azure":
            return
        recognition = by_mark(service, f"{PREFIX}azure-") or by_nodes(service, view, "azure", "Azure")
        if recognition is None:
            return
        rule, otherwise = AZURE_NODES, _BY_CLOUD_CONFIG
        if CONFIGURATIONS in service.annotations:
            rule, otherwise = _LOCAL_POOL, _SINGLE
            recognition = recognition._replace(assumptions=(*recognition.assumptions, _SEVERAL))
        balancer = Balancer.of(service, "cloud-provider/azure", recognition, keeps_address=_floating(service))
        sctp = any(port.transport == "SCTP" and has_rule(service, port) for port in service.ports)
        fails, first = fails_under_cluster(service)
        proxied = is_proxied(service)
        reads = frozenset[Key]() if proxied else frozenset((_proxied_on(_balancer(service)),))
        for port in service.ports:
            if has_rule(service, port):
                targets = _targets(service, port, view, rule, sctp=sctp)
                if isinstance(targets, NodeTargets) and not targets.no_target:
                    check = replace(targets.check, fails_under_cluster=fails, so_that_it_passes=first)
                    none = NoneHealthy.SENDS_TO_NONE
                    targets = replace(targets, check=check, none_healthy=none, otherwise=otherwise)
                    if not proxied:
                        targets = _beside_proxied(service, view, targets)
                yield replace(balancer.consumer(port, targets), reads=reads)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        annotations, check = service.annotations, verdict.consumer.check
        if verdict.outcome not in (Outcome.Covered, Outcome.NotAffected):
            yield from spelling("The Azure cloud provider", annotations, f"{PREFIX}azure-", AZURE)
        if verdict.outcome in (Outcome.Blackhole, Outcome.Unknown):
            effect = (
                "Its rule then uses the probe of the healthCheckNodePort, and the load balancer routes around "
                "nodes without an endpoint."
            )
            own = None if one_rule(service) else service.port(verdict.consumer.port)
            for what in ("no_probe_rule", "health-probe_port"):
                if own is not None and (key := of_port(own, what)) in annotations:
                    yield drop_annotation(service, key, effect)
        extra = ""
        if check is not None and check.pins_health_check_node_port:
            keys = (of_port(port, "health-probe_port") for port in service.ports)
            pinned = next((key for key in keys if key in annotations), "")
            extra = unpin(pinned) if pinned else ""
        yield from health_checked(service, verdict, nodes, extra=f"{extra} {before_cluster(service)}".strip())


def _beside_sctp(service: Service, port: ServicePort, rule: NodeRule) -> Targets:
    """For a Service with a port of SCTP. getExpectedLBRules fails unless the load balancer is internal, and then
    makes a rule for all protocols on that port: azure_standard.go getProtocolsFromKubernetesProtocol."""
    if is_true(service, INTERNAL):
        detail = (
            "for SCTP the controller makes a rule for all protocols on the port, and no API object shows whether "
            "Azure takes it. If not, the load balancer stays as it was. Look at the events of the Service"
        )
        reason = Reason("ProtocolNotServed", detail)
    elif port.transport == "SCTP":
        return no_target(Reason("ProtocolNotServed", "the Azure load balancer has no rules for SCTP"))
    else:
        cause = "the Service has a port of SCTP, which only an internal Azure load balancer may serve"
        reason = refused("ProtocolNotServed", cause)
    return UnknownOutcome(reason, rule, standard_check(service))


def _targets(service: Service, port: ServicePort, view: View, rule: NodeRule, *, sctp: bool) -> Targets:
    """azure_loadbalancer.go getExpectedLBRules. `sctp`: whether a port of SCTP has a rule."""
    proxied = is_proxied(service)
    if one_rule(service):
        if "IPv6" in served_families(service):
            return UnknownOutcome(_PORTS_KEPT, rule, standard_check(service))
        if proxied:
            checked = next((one for one in service.ports if one.transport == "TCP"), port)
            return probed(service, checked, view, rule, proxied=True)
        return NodeTargets(rule, standard_check(service))
    if sctp:
        return _beside_sctp(service, port, rule)
    if not port.node_port and service.uid and (unsent := _without_node_port(service, port, rule)):
        return unsent
    if is_true(service, of_port(port, "no_probe_rule")):
        return NodeTargets(rule, UNCHECKED)
    return probed(service, port, view, rule, proxied=proxied)


def _floating(service: Service) -> tuple[IPFamily, ...]:
    """The families with floating IP, where packets keep their destination. One rule for all ports has it whatever
    the annotation says; an internal IPv6 address never has it."""
    if is_true(service, NOT_FLOATING) and not one_rule(service):
        return ()
    return ("IPv4",) if is_true(service, INTERNAL) else ("IPv4", "IPv6")


def _without_node_port(service: Service, port: ServicePort, rule: NodeRule) -> Targets | None:
    """None with floating IP, which needs no node port. An internal IPv6 address never has it: the end of
    getExpectedLoadBalancingRulePropertiesForPort."""
    families = served_families(service)
    not_floating = is_true(service, NOT_FLOATING)
    internal_v6 = is_true(service, INTERNAL) and "IPv6" in families
    if not_floating or (internal_v6 and families == ("IPv6",)):
        return no_node_port(port, "Without floating IP, the Azure load balancer")
    if not internal_v6:
        return None
    detail = (
        f"port {port.label or port.port} has no node port, which the rule of the internal IPv6 address needs. If "
        "Azure rejects that rule, the load balancer stays as it was. Look at the events of the Service"
    )
    return UnknownOutcome(Reason("NoNodePort", detail), rule, standard_check(service))
