"""The objects that show the data plane of a cluster. Each is read by its name, and the configurations of single
nodes by one `list` of their kind. Nothing is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

from etpguard.objects.calico import FELIX_CONFIGURATION, FELIX_CONFIGURATION_V3, INSTALLATION
from etpguard.objects.cilium import CILIUM_NODE_CONFIG, CILIUM_NODE_CONFIG_ALPHA
from etpguard.objects.kinds import AnyKind
from etpguard.objects.openshift import OPENSHIFT_NETWORK
from etpguard.objects.records import Key
from etpguard.objects.workloads import CONFIG_MAP, DATA_PLANE_DAEMON_SET


class NamedObject(NamedTuple):
    """One object of the API, or without a name all objects of the kind that configure single nodes. `part_of` is
    the product that it belongs to, as the chart's value names it."""

    kind: AnyKind
    key: Key
    part_of: str

    @property
    def is_list(self) -> bool:
        return not self.key.name

    @property
    def path(self) -> str:
        return self.kind.path_in(self.key.namespace) if self.is_list else self.kind.path_of(self.key)

    @property
    def address(self) -> str:
        """`resource NAMESPACE/NAME`, by which a report names what could not be read. A list has the version too,
        since two versions can be read of one resource: `plural.version.group NAMESPACE/*`."""
        if self.is_list:
            resource = f"{self.kind.plural}.{self.kind.version}.{self.kind.group}"
            return f"{resource} {Key(self.key.namespace, '*')}"
        return f"{self.kind.resource} {self.key}"

    def __str__(self) -> str:
        return f"{self.kind.name} {Key(self.key.namespace, self.key.name or '*')}"


class Listed(Struct, frozen=True):
    """The objects of a list that configure single nodes."""

    items: tuple[Any, ...]

    @classmethod
    def of(cls, records: Iterable[Any]) -> Listed | None:
        """The records in the order of their names; None if no object configures a single node."""
        found = sorted((each for each in records if each.of_single_nodes), key=lambda each: str(each.key))
        return cls(tuple(found)) if found else None

    @property
    def substance(self) -> object:
        return [(each.key, each.substance) for each in self.items]


CILIUM_CONFIG = NamedObject(CONFIG_MAP, Key("kube-system", "cilium-config"), "cilium")
CILIUM_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "cilium"), "cilium")
CILIUM_OTHER_CONFIG = NamedObject(CONFIG_MAP, Key("cilium", "cilium-config"), "cilium")

CILIUM_OTHER_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("cilium", "cilium"), "cilium")
"""The operator for OpenShift and many charts install Cilium in this namespace."""
DEFAULT_NAMESPACE = "kube-system"

CILIUM_NAMESPACES = {
    each.key.namespace: (each, daemon_set)
    for each, daemon_set in (
        (CILIUM_CONFIG, CILIUM_DAEMON_SET),
        (CILIUM_OTHER_CONFIG, CILIUM_OTHER_DAEMON_SET),
    )
}
"""Cilium's ConfigMap and DaemonSet in each namespace that etpguard reads. The first that has one counts."""
ANETD_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "anetd"), "gke")
KUBE_PROXY_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "kube-proxy"), "kubeProxy")
KUBE_PROXY_CONFIG = NamedObject(CONFIG_MAP, Key("kube-system", "kube-proxy"), "kubeProxy")
EKS_KUBE_PROXY_CONFIG = NamedObject(CONFIG_MAP, Key("kube-system", "kube-proxy-config"), "kubeProxy")
CALICO_INSTALLATION = NamedObject(INSTALLATION, Key("", "default"), "calico")
CALICO_FELIX = NamedObject(FELIX_CONFIGURATION, Key("", "default"), "calico")
CALICO_FELIX_V3 = NamedObject(FELIX_CONFIGURATION_V3, Key("", "default"), "calico")
CALICO_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("calico-system", "calico-node"), "calico")
CALICO_MANIFEST_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "calico-node"), "calico")
OPENSHIFT_OPERATOR = NamedObject(OPENSHIFT_NETWORK, Key("", "cluster"), "openshift")
OPENSHIFT_OVN_DAEMON_SET = NamedObject(
    DATA_PLANE_DAEMON_SET, Key("openshift-ovn-kubernetes", "ovnkube-node"), "openshift"
)

OPENSHIFT_KUBE_PROXY_DAEMON_SET = NamedObject(
    DATA_PLANE_DAEMON_SET, Key("openshift-kube-proxy", "openshift-kube-proxy"), "openshift"
)
OVN_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("ovn-kubernetes", "ovnkube-node"), "ovnKubernetes")
ANTREA_CONFIG = NamedObject(CONFIG_MAP, Key("kube-system", "antrea-config"), "antrea")
ANTREA_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "antrea-agent"), "antrea")
KUBE_ROUTER_DAEMON_SET = NamedObject(DATA_PLANE_DAEMON_SET, Key("kube-system", "kube-router"), "kubeRouter")
CILIUM_NODE_CONFIGS = NamedObject(CILIUM_NODE_CONFIG, Key("", ""), "ciliumNodes")

CILIUM_NODE_CONFIGS_ALPHA = NamedObject(CILIUM_NODE_CONFIG_ALPHA, Key("", ""), "ciliumNodes")
"""The only version before Cilium 1.15."""
CALICO_FELIX_NODES = NamedObject(FELIX_CONFIGURATION, Key("", ""), "calicoNodes")
CALICO_FELIX_NODES_V3 = NamedObject(FELIX_CONFIGURATION_V3, Key("", ""), "calicoNodes")

NAMED_OBJECTS = (
    CILIUM_CONFIG,
    CILIUM_DAEMON_SET,
    CILIUM_OTHER_CONFIG,
    CILIUM_OTHER_DAEMON_SET,
    ANETD_DAEMON_SET,
    KUBE_PROXY_DAEMON_SET,
    KUBE_PROXY_CONFIG,
    EKS_KUBE_PROXY_CONFIG,
    CALICO_INSTALLATION,
    CALICO_FELIX,
    CALICO_DAEMON_SET,
    CALICO_MANIFEST_DAEMON_SET,
    OPENSHIFT_OPERATOR,
    OPENSHIFT_OVN_DAEMON_SET,
    OPENSHIFT_KUBE_PROXY_DAEMON_SET,
    OVN_DAEMON_SET,
    ANTREA_CONFIG,
    ANTREA_DAEMON_SET,
    KUBE_ROUTER_DAEMON_SET,
    CILIUM_NODE_CONFIGS,
    CILIUM_NODE_CONFIGS_ALPHA,
    CALICO_FELIX_NODES,
    CALICO_FELIX_V3,
    CALICO_FELIX_NODES_V3,
)
"""All of them. Each is optional: a cluster has few of them. Those of an aggregated API come last: it can fail by
itself, and nothing is read after a request without an answer."""

NAMED_KINDS: Mapping[tuple[str, str], AnyKind] = {
    (named.kind.api_version, named.kind.name): named.kind for named in NAMED_OBJECTS
}
"""Their kinds by apiVersion and kind."""


class NamedObjects(Struct, frozen=True):
    """What was read of the named objects. One that is neither `found` nor `unread` does not exist."""

    found: Mapping[NamedObject, Any] = field(default_factory=dict)
    """Their records, and `Listed` for a list."""
    unread: Mapping[NamedObject, str] = field(default_factory=dict)
    """Why an object could not be read."""

    @classmethod
    def none_read(cls, why: str) -> NamedObjects:
        return cls(unread=dict.fromkeys(NAMED_OBJECTS, why))

    def records(self) -> Iterator[tuple[NamedObject, Any]]:
        """Every record, those of a list one by one. A record of two versions comes with the first."""
        seen: set[tuple[str, Key]] = set()
        for named, found in self.found.items():
            for record in found.items if isinstance(found, Listed) else (found,):
                if (identity := (named.kind.resource, record.key)) not in seen:
                    seen.add(identity)
                    yield named, record

    def absent(self, named: NamedObject) -> bool:
        """Whether it is known that the object does not exist."""
        return named not in self.found and named not in self.unread

    @property
    def refusal(self) -> str:
        """Why one of them could not be read, and how many others could not; "" if all could."""
        if not self.unread:
            return ""
        why, *others = self.unread.values()
        more = f"; {len(others)} more {'object' if len(others) == 1 else 'objects'} could not be read either"
        return f"{why}{more if others else ''}"

    @property
    def substance(self) -> object:
        """What rules read of them: equal for two versions that mean the same."""
        return {named: record.substance for named, record in self.found.items()}, dict(self.unread)


def named_object(kind: AnyKind, key: Key) -> NamedObject | None:
    """The named object of this kind and key, or the list that has it; None for any other object."""
    return _BY_KEY.get((kind, key)) or _BY_KEY.get((kind, Key("", "")))


_BY_KEY = {(named.kind, named.key): named for named in NAMED_OBJECTS}
