"""cloudscale.ch, by cloudscale-cloud-controller-manager."""

from __future__ import annotations

import json

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.checked_cloud import CheckedCloud, not_understood
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.known_annotations import CLOUDSCALE
from etpguard.assess.consumers.shared.load_balancers import (
    NO_NODE,
    OLDER_CLOUD_NODES,
    standard_check,
    standard_settings,
)
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Service, ServicePort

(PREFIX,) = SIGNS["cloudscale"].marks
MONITOR_HTTP = f"{PREFIX}health-monitor-http"
MONITOR_TYPE = f"{PREFIX}health-monitor-type"
SUBNETS = f"{PREFIX}listener-allowed-subnets"

_SUBNETS_NOT_KNOWN = Reason(
    "SubnetsNotKnown",
    f"with {SUBNETS}, only servers with an interface in one of these subnets are targets, and no API object shows "
    "the subnets of a server. If a node with an endpoint is one of them, requests arrive. If none is, all are "
    "lost. Look at the pool members of the load balancer",
)


class Cloudscale(CheckedCloud):
    """cloudscale-cloud-controller-manager 4f13bd9 pkg/cloudscale_ccm/reconcile.go: under Local, the pool of each
    port has an HTTP monitor on the healthCheckNodePort, for any health-monitor-type (healthMonitorForPort)."""

    name = "cloudscale"
    refuses_other_protocols = True
    annotations = (PREFIX, CLOUDSCALE)
    nodes = replace(OLDER_CLOUD_NODES, provider_id=" *cloudscale *://.+", finds_by_name=True)
    """One node that is no server makes the sync fail: server_mapper.go findByNode, provider_id.go."""
    node_selectors = (f"{PREFIX}node-selector",)
    without_address = "a port has no node port, or an annotation does not parse"
    documented = (
        DocumentedConsumer(
            consumer="cloudscale.ch",
            found_by=f"`{PREFIX}` annotation, providerID `cloudscale://`",
            nodes="cloud nodes that match `node-selector`; one with a foreign providerID makes the sync fail",
            health_check="HTTP `/livez` on healthCheckNodePort; `health-monitor-http` replaces path and codes",
            with_local="`TargetsUnhealthy`; `Unknown` beside an SCTP port, and with `listener-allowed-subnets`",
            evidence=Evidence.DOCUMENTED,
            source="cloudscale-cloud-controller-manager 4f13bd9 pkg/cloudscale_ccm/reconcile.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """reconcile.go:168-205: the annotation limits the members, for each port."""
        targets = super().targets(service, port, view)
        text = service.annotations.get(SUBNETS, "").strip(" ")
        if text in ("", "[]") or not isinstance(targets, NodeTargets) or targets.rule == NO_NODE:
            return targets
        try:
            subnets = json.loads(text)
        except (ValueError, RecursionError):
            subnets = None
        if subnets == []:
            return targets
        readable = isinstance(subnets, list) and all(isinstance(each, str) for each in subnets)
        reason = _SUBNETS_NOT_KNOWN if readable else not_understood(service, SUBNETS)
        return PossibleNodes(targets.rule, reason, sends_to_one=readable, fewest=NO_NODE)

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        path, asked = "/livez", "/"
        check = standard_check(service)
        text = service.annotations.get(MONITOR_HTTP, "{}")
        if text != "{}":
            try:
                options = json.loads(text)
            except (ValueError, RecursionError):
                options = None
            codes = options.get("expected_codes") if isinstance(options, dict) else None
            if not isinstance(options, dict) or not isinstance(codes, list | None):
                return not_understood(service, MONITOR_HTTP)
            path = asked = str(options.get("url_path") or "/")[:253]
            if any(str(code)[:1] == "5" for code in codes or ()):
                check = replace(check, probe=HealthCheckNodePort(any_answer=True))
            elif codes and not any(str(code) in ("200", "2xx") for code in codes):
                return not_understood(service, MONITOR_HTTP)
        # By type tcp, the default, it only connects under Cluster.
        protocol = service.annotations.get(MONITOR_TYPE, "").upper()
        fails = f"asks {asked[:80]} of the pods by {protocol}" if protocol in ("HTTP", "HTTPS") else ""
        settings = replace(standard_settings(service), path=path)
        first = f"First set {MONITOR_TYPE} to tcp" if fails else ""
        return replace(check, settings=settings, fails_under_cluster=fails, so_that_it_passes=first)
