"""The records of a DaemonSet and a ConfigMap that configure the data plane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from etpguard.objects.arguments import kept_arguments
from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.node_affinity import NodeAffinity
from etpguard.objects.records import BareMeta, Record, Shape

BUILD_CONFIG = "build-config"
"""The subcommand by which an init container of Cilium merges the sources of a node's configuration."""
CONTAINER_ARGUMENTS = (
    "config",
    "proxy-mode",
    "healthz-bind-address",
    "nodeport-addresses",
    "ipvs-strict-arp",
    "run-service-proxy",
    "run-router",
    "service-external-ip-range",
    "advertise-loadbalancer-ip",
    "advertise-external-ip",
    "source",
    "allow-config-keys",
    "deny-config-keys",
)
"""Arguments of kube-proxy, kube-router and `cilium-dbg build-config` that a rule reads, without their dashes."""
CONTAINER_VARIABLES = ("FELIX_BPFENABLED", "FELIX_BPFKUBEPROXYHEALTHZPORT")

CONFIG_KEYS = frozenset(
    {
        # cilium-config
        "kube-proxy-replacement",
        "kube-proxy-replacement-healthz-bind-address",
        "enable-node-port",
        "enable-envoy-config",
        "enable-internal-traffic-policy",
        "service-no-backend-response",
        "enable-no-service-endpoints-routable",
        "enable-health-check-nodeport",
        "enable-k8s-terminating-endpoint",
        "enable-ingress-controller",
        "enable-gateway-api",
        "k8s-service-proxy-name",
        "enable-service-topology",
        "enable-bgp-control-plane",
    }
)
"""Keys of a ConfigMap with one value each. Cilium 1.20.2 pkg/option/config.go."""
_KUBE_PROXY = (("mode",), ("healthzBindAddress",), ("nodePortAddresses",), ("ipvs", "strictARP"))
CONFIG_FILES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "config.conf": _KUBE_PROXY,
    "config": _KUBE_PROXY,
    "antrea-agent.conf": (
        ("featureGates", "AntreaProxy"),
        ("antreaProxy", "enable"),
        ("antreaProxy", "proxyAll"),
        ("antreaProxy", "serviceProxyName"),
        ("antreaProxy", "skipServices"),
        ("antreaProxy", "proxyLoadBalancerIPs"),
        ("antreaProxy", "disableServiceHealthCheckServer"),
        ("antreaProxy", "serviceHealthCheckServerBindAddress"),
    ),
}
"""Keys of a ConfigMap with a YAML file, and the paths in it that a rule reads: kube-proxy's of kubeadm and of EKS,
and Antrea's (build/charts/antrea/conf/antrea-agent.conf)."""
UNREADABLE = "null"
"""In place of a file that is no YAML mapping."""


class ConfigMap(Record, frozen=True):
    """`data` has only the keys that a rule reads. A YAML file in it is reduced to JSON with the paths that a rule
    reads, and to `UNREADABLE` if it is no YAML mapping. So a dump has nothing else of the ConfigMap."""

    metadata: BareMeta
    data: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.data:
            kept = {key: value for key, value in self.data.items() if key in CONFIG_KEYS}
            files = {
                key: reduced_file(self.data[key], CONFIG_FILES[key]) for key in CONFIG_FILES if key in self.data
            }
            msgspec.structs.force_setattr(self, "data", kept | files)

    @property
    def values(self) -> dict[str, str]:
        return self.data or {}

    def file(self, key: str) -> dict[str, Any] | None:
        """The paths of a YAML file that a rule reads; None if there is no such file or it cannot be read."""
        text = self.values.get(key)
        found: dict[str, Any] | None = msgspec.json.decode(text) if text else None
        return found

    @property
    def substance(self) -> object:
        return self.data


def reduced_file(text: str, paths: tuple[tuple[str, ...], ...]) -> str:
    """A YAML file as JSON with only these paths, or `UNREADABLE`."""
    import yaml  # only a cluster that has the ConfigMap needs it

    try:
        content = yaml.safe_load(text)
        if not isinstance(content, dict):
            return UNREADABLE
        return msgspec.json.encode(_picked(content, paths)).decode()
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return UNREADABLE


def _picked(content: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for *folders, name in paths:
        source: Any = content
        target = made
        for folder in folders:
            source = source.get(folder) if isinstance(source, dict) else None
        if isinstance(source, dict) and _is_small(source.get(name)):
            for folder in folders:
                target = target.setdefault(folder, {})
            target[name] = source[name]
    return made


def _is_small(value: Any) -> bool:
    """Whether a rule may read the value. A YAML file can nest lists that take gigabytes as JSON."""
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, str | bool | int) for item in items)


class EnvVar(Shape, frozen=True):
    """`value` is None for one that comes from another object."""

    name: str
    value: str | None = None


_VERSION = re.compile(r":(v?\d+\.\d+[\w.-]*)")
_TAG = re.compile(r"[^/@]+(?=@|$)")


class Container(Shape, frozen=True):
    """`image` is the last part of its name with the tag, such as "cilium:v1.18.0". Only the arguments and the
    environment variables that a rule reads are kept."""

    name: str = ""
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None

    def __post_init__(self) -> None:
        put = msgspec.structs.force_setattr
        if self.image and (found := _TAG.search(self.image)):
            put(self, "image", found[0])
        given = [*(self.command or ()), *(self.args or ())]
        arguments = [BUILD_CONFIG] if BUILD_CONFIG in given else []
        arguments += kept_arguments(given, CONTAINER_ARGUMENTS)
        put(self, "command", None)
        put(self, "args", arguments or None)
        put(self, "env", [each for each in self.env or () if each.name in CONTAINER_VARIABLES] or None)


class Affinity(Shape, frozen=True):
    node_affinity: NodeAffinity | None = None


class PodSpec(Shape, frozen=True):
    """Of the init containers, only those that run `BUILD_CONFIG` are kept. None where a Pod has no init container,
    and in a dump of an etpguard that did not keep them."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None

    def __post_init__(self) -> None:
        if self.init_containers is not None:
            kept = [each for each in self.init_containers if BUILD_CONFIG in (each.args or ())]
            msgspec.structs.force_setattr(self, "init_containers", kept)


class PodTemplate(Shape, frozen=True):
    spec: PodSpec | None = None


class DaemonSetSpec(Shape, frozen=True):
    template: PodTemplate | None = None


class DaemonSetStatus(Shape, frozen=True):
    desired_number_scheduled: int | None = None


class DaemonSet(Record, frozen=True):
    metadata: BareMeta
    spec: DaemonSetSpec | None = None
    status: DaemonSetStatus | None = None

    @property
    def pod(self) -> PodSpec:
        return (self.spec and self.spec.template and self.spec.template.spec) or NO_POD

    @property
    def containers(self) -> list[Container]:
        return self.pod.containers or []

    @property
    def release(self) -> str:
        """The tag of the first container's image that has one; "" if none has."""
        tags = (_VERSION.search(container.image or "") for container in self.containers)
        return next((tag[1] for tag in tags if tag), "")

    @property
    def idle(self) -> bool:
        """Whether it wants no pod. False without a status: an object from a manifest has none."""
        return self.status is not None and self.status.desired_number_scheduled == 0

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether its pods may run on that node. Taints are not considered: a data plane tolerates all."""
        pod = self.pod
        if any(labels.get(key) != value for key, value in (pod.node_selector or {}).items()):
            return False
        affinity = pod.affinity and pod.affinity.node_affinity
        return not affinity or affinity.admits(name, labels)

    @property
    def substance(self) -> object:
        return self.idle, self.spec


NO_POD = PodSpec()

CONFIG_MAP = Kind("ConfigMap", "configmaps", "", "v1", ConfigMap, reach=Reach.NOTHING)
DATA_PLANE_DAEMON_SET = Kind("DaemonSet", "daemonsets", "apps", "v1", DaemonSet, reach=Reach.NOTHING)
