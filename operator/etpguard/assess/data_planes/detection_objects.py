"""What the named objects show about the data planes of a cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etpguard.assess.data_planes.detection_cilium import CiliumConfiguration, Statement
from etpguard.assess.data_planes.detection_nodes import KUBE_PROXY_MODES
from etpguard.assess.data_planes.interface import (
    CALICO_HEALTHZ,
    HEALTHZ_ADDRESS,
    NODE_PORTS,
    STRICT_ARP,
    KubeRouterAdvertises,
)
from etpguard.objects import named
from etpguard.objects.arguments import last_value, switch, values_of
from etpguard.objects.calico import FelixConfiguration, Installation
from etpguard.objects.named import Listed, NamedObject, NamedObjects
from etpguard.objects.openshift import OpenShiftNetwork
from etpguard.objects.workloads import UNREADABLE, ConfigMap, DaemonSet, EnvVar

DAEMON_SETS = (
    named.CILIUM_DAEMON_SET,
    named.CILIUM_OTHER_DAEMON_SET,
    named.ANETD_DAEMON_SET,
    named.KUBE_PROXY_DAEMON_SET,
    named.CALICO_DAEMON_SET,
    named.CALICO_MANIFEST_DAEMON_SET,
    named.OPENSHIFT_OVN_DAEMON_SET,
    named.OPENSHIFT_KUBE_PROXY_DAEMON_SET,
    named.OVN_DAEMON_SET,
    named.ANTREA_DAEMON_SET,
    named.KUBE_ROUTER_DAEMON_SET,
)

_TRUE = ("true", "1", "t", "yes", "y")


class Objects:
    """Answers the questions of `detection` from the objects that were read."""

    def __init__(self, objects: NamedObjects) -> None:
        self._objects = objects
        self._running = [
            (each, found)
            for each in DAEMON_SETS
            if (found := self.daemon_set(each)) is not None and not found.idle
        ]
        self.cilium = CiliumConfiguration(objects)
        self._felix_nodes: dict[str, bool | None] = {
            felix.node: felix.bpf_enabled
            for felix in self._listed(named.CALICO_FELIX_NODES, named.CALICO_FELIX_NODES_V3)
        }

    def _listed(self, *versions: NamedObject) -> tuple[Any, ...]:
        """The objects of the first version that has any, because the versions of a kind show the same objects."""
        found: Listed | None = next(filter(None, map(self._objects.found.get, versions)), None)
        return found.items if found else ()

    def daemon_set(self, which: NamedObject) -> DaemonSet | None:
        found: DaemonSet | None = self._objects.found.get(which)
        return found

    def config(self, which: NamedObject) -> ConfigMap | None:
        found: ConfigMap | None = self._objects.found.get(which)
        return found

    def unread(self, *which: NamedObject) -> bool:
        """Whether one of these may exist and could not be read."""
        return any(each in self._objects.unread for each in which)

    def felix_nodes_unread(self) -> bool:
        """Whether FelixConfigurations of single nodes may decide and could not be read."""
        unread = self.unread(named.CALICO_FELIX_NODES, named.CALICO_FELIX_NODES_V3)
        return unread and not self._felix_nodes and self._calico_environment() is None

    def felix_bpf(self, node: str) -> bool | None:
        """`bpfEnabled` of the FelixConfiguration of this node alone; None if there is none."""
        return self._felix_nodes.get(node)

    def version(self, *which: NamedObject) -> str:
        """The tag of the first container's image that has one, in these DaemonSets."""
        found = filter(None, map(self.daemon_set, which))
        return next((each.release for each in found if each.release), "")

    def runs_on(self, name: str, labels: dict[str, str]) -> tuple[NamedObject, ...]:
        """The DaemonSets whose pods may run on that node, without those that want no pod on any node."""
        if not self._running:
            return ()
        if "kubernetes.io/os" not in labels:  # in a file a Node may lack it
            labels = {"kubernetes.io/os": "linux", **labels}
        return tuple(each for each, found in self._running if found.selects(name, labels))

    def _calico_environment(self) -> Statement | None:
        for each, variable in self._calico_variables("FELIX_BPFENABLED"):
            says = None if variable.value is None else variable.value.lower() in _TRUE
            return Statement(says, f"{each}: {variable.name}={variable.value}")
        return None

    def _calico_variables(self, name: str) -> Iterator[tuple[NamedObject, EnvVar]]:
        for each in (named.CALICO_DAEMON_SET, named.CALICO_MANIFEST_DAEMON_SET):
            found = self.daemon_set(each)
            for variable in (v for c in (found.containers if found else ()) for v in c.env or ()):
                if variable.name == name:
                    yield each, variable

    def calico_version(self) -> str:
        """ "" for Calico Enterprise, whose image is cnx-node: its releases have other numbers than those that the
        rule compares."""
        which = (named.CALICO_DAEMON_SET, named.CALICO_MANIFEST_DAEMON_SET)
        installation: Installation | None = self._objects.found.get(named.CALICO_INSTALLATION)
        found = filter(None, map(self.daemon_set, which))
        cnx = any((container.image or "").startswith("cnx-") for each in found for container in each.containers)
        return "" if cnx or (installation and installation.enterprise) else self.version(*which)

    def calico_settings(self) -> tuple[tuple[str, str], ...] | None:
        """None if the objects that may have a setting could not be read."""
        for _, variable in self._calico_variables("FELIX_BPFKUBEPROXYHEALTHZPORT"):
            return ((CALICO_HEALTHZ, variable.value),) if variable.value is not None else None
        known = False
        for each in (named.CALICO_FELIX, named.CALICO_FELIX_V3):
            felix: FelixConfiguration | None = self._objects.found.get(each)
            known |= felix is not None
            if felix and felix.healthz_port is not None:
                return ((CALICO_HEALTHZ, str(felix.healthz_port)),)
        return () if known or not self.unread(named.CALICO_FELIX, named.CALICO_FELIX_V3) else None

    def calico_answers_arp(self) -> bool:
        found = map(self._objects.found.get, (named.CALICO_FELIX, named.CALICO_FELIX_V3))
        return any(felix.answers_arp for felix in found if felix)

    def calico_replaces_kube_proxy(self, felix_bpf: bool | None = None) -> list[Statement]:
        """Felix reads its environment first, then the FelixConfiguration of the node, which has `felix_bpf`, then
        `default`. The operator writes the environment and `default` from the Installation."""
        if environment := self._calico_environment():
            return [environment]
        if felix_bpf is not None:
            return [Statement(felix_bpf, f"FelixConfiguration node.NAME: bpfEnabled={str(felix_bpf).lower()}")]
        statements = []
        installation: Installation | None = self._objects.found.get(named.CALICO_INSTALLATION)
        if installation and installation.linux_dataplane:
            value = installation.linux_dataplane
            says = {"BPF": True, "Iptables": False, "Nftables": False}.get(value)
            statements.append(Statement(says, f"{named.CALICO_INSTALLATION}: linuxDataplane={value}"))
        for each in (named.CALICO_FELIX, named.CALICO_FELIX_V3):
            felix: FelixConfiguration | None = self._objects.found.get(each)
            if felix and felix.bpf_enabled is not None:
                how = f"{each}: bpfEnabled={str(felix.bpf_enabled).lower()}"
                statements.append(Statement(felix.bpf_enabled, how))
        return statements

    def antrea_proxies_all(self) -> Statement:
        config = self.config(named.ANTREA_CONFIG)
        if config is None or config.values.get("antrea-agent.conf", UNREADABLE) == UNREADABLE:
            return Statement(None, str(named.ANTREA_CONFIG))
        says = self.antrea_proxies() and bool(self._antrea_conf().get("antreaProxy", {}).get("proxyAll", False))
        return Statement(says, f"{named.ANTREA_CONFIG}: proxyAll={str(says).lower()}")

    def antrea_proxies(self) -> bool:
        """Whether AntreaProxy is on, as by default: it serves the cluster IPs for pods."""
        conf = self._antrea_conf()
        gate = conf.get("featureGates", {}).get("AntreaProxy", True)
        return bool(gate and conf.get("antreaProxy", {}).get("enable", True))

    def _antrea_conf(self) -> dict[str, Any]:
        config = self.config(named.ANTREA_CONFIG)
        return (config.file("antrea-agent.conf") if config else None) or {}

    def antrea_settings(self) -> tuple[tuple[str, str], ...] | None:
        config = self.config(named.ANTREA_CONFIG)
        conf = config.file("antrea-agent.conf") if config else None
        if conf is None:
            return None
        return tuple(sorted((name, _text(value)) for name, value in conf.get("antreaProxy", {}).items()))

    def kube_router_proxies(self) -> Statement:
        """kube-router 7c2c277 pkg/options/options.go: --run-service-proxy is true by default."""
        arguments = self._arguments(named.KUBE_ROUTER_DAEMON_SET)
        value = last_value(arguments, "run-service-proxy")
        says = value is None or value.lower() in ("", *_TRUE)
        return Statement(says, f"{named.KUBE_ROUTER_DAEMON_SET}: --run-service-proxy={str(says).lower()}")

    def kube_router_advertises(self) -> KubeRouterAdvertises | None:
        """kube-router 7c2c277 pkg/options/options.go: --advertise-loadbalancer-ip and --advertise-external-ip are
        false by default, --run-router is true."""
        found = self.daemon_set(named.KUBE_ROUTER_DAEMON_SET)
        if found is None:
            return None
        arguments = self._arguments(named.KUBE_ROUTER_DAEMON_SET)
        if found.idle or (switch(arguments, "run-router") or "true").lower() not in _TRUE:
            return KubeRouterAdvertises(False, False, routes=False)
        balancers, external = (
            (switch(arguments, name) or "").lower() in _TRUE
            for name in ("advertise-loadbalancer-ip", "advertise-external-ip")
        )
        return KubeRouterAdvertises(balancers, external)

    def kube_router_settings(self) -> tuple[tuple[str, str], ...] | None:
        """None if no object shows its arguments."""
        if self.daemon_set(named.KUBE_ROUTER_DAEMON_SET) is None:
            return None
        ranges = values_of(self._arguments(named.KUBE_ROUTER_DAEMON_SET), "service-external-ip-range")
        return (("service-external-ip-range", ",".join(ranges)),) if ranges else ()

    def kube_proxy_mode(self) -> str:
        """The mode of kube-proxy on Linux; "" if it is not known. A configuration file overrides --proxy-mode."""
        for conf in self._kube_proxy_files():
            return "" if conf is None else _mode(_text(conf.get("mode", "")) or "iptables")
        arguments = self._arguments(named.KUBE_PROXY_DAEMON_SET)
        return "" if last_value(arguments, "config") else _mode(last_value(arguments, "proxy-mode") or "")

    def kube_proxy_settings(self) -> tuple[tuple[str, str], ...] | None:
        """Of kube-proxy on Linux; None if it has the default ones, and if they are not known. An empty argument
        turns the server of port 10256 off, and an empty value in a configuration file is the default."""
        for conf in self._kube_proxy_files():
            values = conf or {}
            found = {name: _text(values.get(name) or "") or None for name in ("healthzBindAddress", NODE_PORTS)}
            strict = values.get("ipvs", {}).get(STRICT_ARP)
            return _settings(
                found["healthzBindAddress"], found[NODE_PORTS], None if strict is None else _text(strict)
            )
        arguments = self._arguments(named.KUBE_PROXY_DAEMON_SET)
        if last_value(arguments, "config"):
            return None
        return _settings(
            last_value(arguments, "healthz-bind-address"),
            ",".join(values_of(arguments, "nodeport-addresses")),
            switch(arguments, "ipvs-strict-arp"),
        )

    def _kube_proxy_files(self) -> Iterator[dict[str, Any] | None]:
        """The configuration files of kube-proxy, the one that counts first. None for one that cannot be read."""
        for which, key in ((named.KUBE_PROXY_CONFIG, "config.conf"), (named.EKS_KUBE_PROXY_CONFIG, "config")):
            config = self.config(which)
            if config is not None and key in config.values:
                yield config.file(key)

    def openshift(self) -> OpenShiftNetwork | None:
        found: OpenShiftNetwork | None = self._objects.found.get(named.OPENSHIFT_OPERATOR)
        return found

    def _arguments(self, which: NamedObject) -> list[str]:
        found = self.daemon_set(which)
        return [argument for container in (found.containers if found else ()) for argument in container.args or ()]


def _settings(
    healthz: str | None, node_ports: str | None, strict_arp: str | None
) -> tuple[tuple[str, str], ...] | None:
    found = [(HEALTHZ_ADDRESS, healthz)] if healthz is not None else []
    found += [(NODE_PORTS, node_ports)] if node_ports else []
    return tuple(found + ([(STRICT_ARP, strict_arp)] if strict_arp else [])) or None


def _mode(text: str) -> str:
    return text if text in KUBE_PROXY_MODES else ""


def _text(value: object) -> str:
    """A value of a YAML file as the rules take it."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
