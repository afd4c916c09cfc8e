"""What the named objects show about the data planes of a cluster. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from etpguard.assess.data_planes.detection_nodes import KUBE_PROXY_MODES
from etpguard.objects import named
from etpguard.objects.arguments import last_value, values_of
from etpguard.objects.named import NamedObject, NamedObjects
from etpguard.objects.workloads import UNREADABLE, ConfigMap, DaemonSet

DAEMON_SETS = (
    named.CILIUM_DAEMON_SET,
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

_VERSION = re.compile(r":(v?\d+\.\d+[\w.-]*)")
_TRUE = ("true", "1", "t", "yes", "y")


class Statement(NamedTuple):
    """What one object says about one question. `says` is None if it leaves the question open."""

    says: bool | None
    how: str


class Objects:
    """The questions that the rules of `detection` ask, answered from the objects that were read."""

    def __init__(self, objects: NamedObjects) -> None:
        self._objects = objects
        self._running = [
            (each, found)
            for each in DAEMON_SETS
            if (found := self.daemon_set(each)) is not None and not found.idle
        ]

    def daemon_set(self, which: NamedObject) -> DaemonSet | None:
        found: DaemonSet | None = self._objects.found.get(which)
        return found

    def config(self, which: NamedObject) -> ConfigMap | None:
        found: ConfigMap | None = self._objects.found.get(which)
        return found

    def unread(self, *which: NamedObject) -> bool:
        """Whether one of these may exist and could not be read."""
        return any(each in self._objects.unread for each in which)

    def version(self, *which: NamedObject) -> str:
        """The tag of the first container's image that has one, in these DaemonSets."""
        for each in which:
            for container in found.containers if (found := self.daemon_set(each)) else ():
                if match := _VERSION.search(container.image or ""):
                    return match[1]
        return ""

    def runs_on(self, name: str, labels: dict[str, str]) -> tuple[NamedObject, ...]:
        """The DaemonSets whose pods may run on that node, those that want no pod at all excluded."""
        if not self._running:
            return ()
        if "kubernetes.io/os" not in labels:  # in a file a Node may lack it
            labels = {"kubernetes.io/os": "linux", **labels}
        return tuple(each for each, found in self._running if found.selects(name, labels))

    def cilium_replaces_kube_proxy(self) -> Statement:
        """Cilium 1.20.2 pkg/option, operator: kube-proxy-replacement is "true" or "false"; before 1.14 "strict",
        "partial", "probe" or "disabled"."""
        config = self.config(named.CILIUM_CONFIG)
        value = config.values.get("kube-proxy-replacement") if config else None
        how = f"{named.CILIUM_CONFIG}: kube-proxy-replacement={value}"
        if value in ("true", "strict"):
            return Statement(True, how)
        return Statement(False if value in ("false", "disabled") else None, how)

    def cilium_settings(self) -> tuple[tuple[str, str], ...] | None:
        config = self.config(named.CILIUM_CONFIG)
        return tuple(sorted(config.values.items())) if config else None

    def calico_replaces_kube_proxy(self) -> list[Statement]:
        """Felix reads its environment before its FelixConfiguration. The operator writes both from the
        Installation."""
        for each in (named.CALICO_DAEMON_SET, named.CALICO_MANIFEST_DAEMON_SET):
            found = self.daemon_set(each)
            for variable in (v for c in (found.containers if found else ()) for v in c.env or ()):
                says = None if variable.value is None else variable.value.lower() in _TRUE
                return [Statement(says, f"{each}: {variable.name}={variable.value}")]
        statements = []
        installation: named.Installation | None = self._objects.found.get(named.CALICO_INSTALLATION)
        if installation and installation.linux_dataplane:
            value = installation.linux_dataplane
            says = {"BPF": True, "Iptables": False, "Nftables": False}.get(value)
            statements.append(Statement(says, f"{named.CALICO_INSTALLATION}: linuxDataplane={value}"))
        for each in (named.CALICO_FELIX, named.CALICO_FELIX_V3):
            felix: named.FelixConfiguration | None = self._objects.found.get(each)
            if felix and felix.bpf_enabled is not None:
                how = f"{each}: bpfEnabled={str(felix.bpf_enabled).lower()}"
                statements.append(Statement(felix.bpf_enabled, how))
        return statements

    def antrea_proxies_all(self) -> Statement:
        config = self.config(named.ANTREA_CONFIG)
        if config is None or config.values.get("antrea-agent.conf", UNREADABLE) == UNREADABLE:
            return Statement(None, str(named.ANTREA_CONFIG))
        conf = config.file("antrea-agent.conf") or {}
        proxy = conf.get("antreaProxy", {})
        on = conf.get("featureGates", {}).get("AntreaProxy", True) and proxy.get("enable", True)
        says = bool(on and proxy.get("proxyAll", False))
        return Statement(says, f"{named.ANTREA_CONFIG}: proxyAll={str(says).lower()}")

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

    def kube_router_settings(self) -> tuple[tuple[str, str], ...]:
        ranges = values_of(self._arguments(named.KUBE_ROUTER_DAEMON_SET), "service-external-ip-range")
        return (("service-external-ip-range", ",".join(ranges)),) if ranges else ()

    def kube_proxy_mode(self) -> str:
        """Of kube-proxy on Linux; "" if it is not known. A configuration file outranks --proxy-mode."""
        for which, key in ((named.KUBE_PROXY_CONFIG, "config.conf"), (named.EKS_KUBE_PROXY_CONFIG, "config")):
            config = self.config(which)
            if config is not None and key in config.values:
                conf = config.file(key)
                return "" if conf is None else _mode(_text(conf.get("mode", "")) or "iptables")
        arguments = self._arguments(named.KUBE_PROXY_DAEMON_SET)
        return "" if last_value(arguments, "config") else _mode(last_value(arguments, "proxy-mode") or "")

    def openshift(self) -> named.OpenShiftNetwork | None:
        found: named.OpenShiftNetwork | None = self._objects.found.get(named.OPENSHIFT_OPERATOR)
        return found

    def _arguments(self, which: NamedObject) -> list[str]:
        found = self.daemon_set(which)
        return [argument for container in (found.containers if found else ()) for argument in container.args or ()]


def _mode(text: str) -> str:
    return text if text in KUBE_PROXY_MODES else ""


def _text(value: object) -> str:
    """A value of a YAML file as the rules take it."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
