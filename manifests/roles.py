"""The ClusterRole of a person or a pipeline that runs `etpguard check`, from the kinds that the command reads."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import yaml

from etpguard import __version__
from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects.named import NAMED_OBJECTS
from etpguard.objects.pod_controllers import WORKLOAD_KINDS
from etpguard.remediate.kinds import REMEDIATION_KINDS

READER = "etpguard-reader"

_ABOUT = """\
# Read access for people and pipelines that run `etpguard check`, `explain`, `what-if`, `verify` or `dump`.
# Bound to nobody:
#   kubectl create clusterrolebinding etpguard-reader --clusterrole=etpguard-reader --user=USER
#
# What each permission is for:
# - Services, EndpointSlices, Nodes: the outcome of each Service. Without one of them nothing is reported.
# - Ingresses, Gateways and the kinds of load balancer controllers: the consumers. Without one of them, the
#   outcomes that depend on it are Unknown.
# - ServiceCoverages, policies, NetworkPolicies, Namespaces: the history in `explain`, and `check --policy`.
# - Pods, Deployments, ReplicaSets, StatefulSets, DaemonSets: in `check` and `explain`, why a node has no endpoint
#   and which clients in the cluster are affected (read only if they lose traffic); in `explain --hand-off`,
#   `explain --patch` and `what-if`, everything about pods.
# - PodDisruptionBudgets, HorizontalPodAutoscalers: `what-if`.
# - `get` on single objects by name: the data plane.
# Remove what you do not want to grant: etpguard names what it cannot read, and reports the rest.
"""

_CHART = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "etpguard.name" . }}-reader
  labels:
    {{- include "etpguard.labels" . | nindent 4 }}
"""


def _rules() -> list[dict[str, Any]]:
    """`list` for every kind, and `get` for single objects by their names."""
    listed: dict[str, dict[str, None]] = defaultdict(dict)
    for kind in picture_for(consumer_families(), (*REMEDIATION_KINDS, *WORKLOAD_KINDS)).kinds:
        for each in kind.served(None):
            listed[each.group][each.plural] = None
    named: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for single in NAMED_OBJECTS:
        if single.is_list:
            listed[single.kind.group][single.kind.plural] = None
            continue
        named[single.kind.group, single.kind.plural][single.key.name] = None
    lists = [{"apiGroups": [group], "resources": [*found], "verbs": ["list"]} for group, found in listed.items()]
    gets = [
        {"apiGroups": [group], "resources": [plural], "resourceNames": [*names], "verbs": ["get"]}
        for (group, plural), names in named.items()
    ]
    return [*lists, *gets]


def _yaml(rules: list[dict[str, Any]]) -> str:
    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    return yaml.dump({"rules": rules}, Dumper=Dumper, sort_keys=False, width=110)


def manifest() -> str:
    """The role with the names of the kustomize base, which `etpguard reader-role` prints."""
    labels = {
        "app.kubernetes.io/name": "etpguard",
        "app.kubernetes.io/instance": "etpguard",
        "app.kubernetes.io/version": __version__,
    }
    head = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": READER, "labels": labels},
    }
    return _ABOUT + yaml.safe_dump(head, sort_keys=False) + _yaml(_rules())


def template() -> str:
    """The role in the chart."""
    about = _ABOUT.replace("clusterrolebinding etpguard-reader", "clusterrolebinding NAME").replace(
        "--clusterrole=etpguard-reader", '--clusterrole={{ include "etpguard.name" . }}-reader'
    )
    return about + _CHART + _yaml(_rules())
