"""The configuration of Cilium on a node, merged from its sources as the agent does. Pure.

Cilium 1.20.2 cilium-dbg/cmd/build-config.go and pkg/option/resolver/resolver.go: an init container of the agent
merges sources in their order. The default is the ConfigMap, then the CiliumNodeConfigs that select the node, in
the order of their names. The labels and annotations `config.cilium.io/KEY` of the Node count only with the source
`node`. Later sources override earlier ones, unless a list allows or denies the key. An agent reads its
configuration when it starts, so a change takes effect with a restart.
"""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.data_planes.interface import release_of
from etpguard.objects import Node, named
from etpguard.objects.arguments import last_value
from etpguard.objects.cilium import CILIUM_NODE_CONFIG, CiliumNodeConfig
from etpguard.objects.named import Listed, NamedObjects
from etpguard.objects.nodes import CILIUM_PREFIX
from etpguard.objects.workloads import ConfigMap, Container, DaemonSet

REPLACES = "kube-proxy-replacement"
_TAKES_NODE_PORTS = ("enable-node-port", "enable-envoy-config")
"""Keys that let a Cilium which does not replace kube-proxy take node ports before it: cilium 00e349e (1.17)
daemon/cmd/kube_proxy_replacement.go. Only with "disabled" it never does. Without the key, PR #41380."""
_TAKES_NONE_SINCE = (1, 19, 0)
_CONFIG_MAP, _NODE_CONFIG, _NODE = "config-map", "cilium-node-config", "node"
_DEFAULT_SOURCES = f"{_CONFIG_MAP}:cilium-config,{_NODE_CONFIG}"
_ON_NODE = f"the label or annotation {CILIUM_PREFIX}"


class Statement(NamedTuple):
    """What one object says about one question. `says` is None if it leaves the question open."""

    says: bool | None
    how: str


class Override(NamedTuple):
    """A key that another source than the first sets on a node. `sure` is False if it may not count."""

    key: str
    value: str
    where: str
    sure: bool = True


class Sources(NamedTuple):
    """Where an agent takes its configuration from. `kinds` are the sources after the ConfigMap, in their order.
    `odd` is the argument that names a source which etpguard does not read, "" for none. `known` is False if the
    DaemonSet could not be read."""

    kinds: tuple[str, ...] = (_NODE_CONFIG,)
    odd: str = ""
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    known: bool = True

    def admits(self, key: str) -> bool:
        return key in self.allowed if self.allowed else key not in self.denied


class CiliumConfiguration:
    """The ConfigMap, the CiliumNodeConfigs and the sources of one installation of Cilium."""

    def __init__(self, objects: NamedObjects) -> None:
        self._objects = objects
        found = [each for each in named.CILIUM_NAMESPACES if self._shows(each)]
        self._namespace = found[0] if found else ""
        """Where Cilium is installed; "" if no object shows it. All CiliumNodeConfigs may count then."""
        which = named.CILIUM_NAMESPACES[self._namespace or named.DEFAULT_NAMESPACE]
        self._config_object, self._daemon_set_object = which
        self.config: ConfigMap | None = objects.found.get(self._config_object)
        self._agent: DaemonSet | None = objects.found.get(self._daemon_set_object)
        self._sources = self._read_sources()
        self._configs = self._node_configs()

    def _shows(self, namespace: str) -> bool:
        return any(each in self._objects.found for each in named.CILIUM_NAMESPACES[namespace])

    def _read_sources(self) -> Sources:
        if self._agent is None:
            return Sources(known=self._daemon_set_object not in self._objects.unread)
        builders = self._agent.pod.init_containers
        if builders is None:
            return Sources()
        if not builders:
            return Sources(kinds=())  # the agent mounts the ConfigMap alone
        return _sources_of(builders[0], self._namespace)

    def _node_configs(self) -> tuple[CiliumNodeConfig, ...]:
        """The CiliumNodeConfigs of the first version that has any, because both versions show the same objects."""
        versions = (named.CILIUM_NODE_CONFIGS, named.CILIUM_NODE_CONFIGS_ALPHA)
        found: Listed | None = next(filter(None, map(self._objects.found.get, versions)), None)
        items = found.items if found else ()
        of_cilium = (each for each in items if self._namespace in ("", each.metadata.namespace))
        return tuple(sorted(of_cilium, key=lambda each: str(each.metadata.name)))

    def node_configs_unread(self) -> bool:
        """Whether CiliumNodeConfigs may count and could not be read."""
        unread = (named.CILIUM_NODE_CONFIGS, named.CILIUM_NODE_CONFIGS_ALPHA)
        counts = _NODE_CONFIG in self._sources.kinds and not self._configs
        return counts and any(each in self._objects.unread for each in unread)

    def overrides(self, node: Node) -> tuple[Override, ...]:
        """What sources other than the ConfigMap set on this node, by key. Nodes that show the same have equal
        results."""
        own = node.cilium_overrides
        if not own and not self._configs:
            return ()
        found: dict[str, Override] = {}
        for kind in self._sources.kinds:
            found |= self._of_configs(node) if kind == _NODE_CONFIG else _of_node(own)
        if not self._sources.known and REPLACES in own:
            found[REPLACES] = Override(REPLACES, own[REPLACES], f"{_ON_NODE}{REPLACES}", sure=False)
        return tuple(sorted(each for each in found.values() if self._sources.admits(each.key)))

    def _of_configs(self, node: Node) -> dict[str, Override]:
        """What the CiliumNodeConfigs set on the node. If two set a key, the last one counts."""
        kind = CILIUM_NODE_CONFIG.name
        return {
            key: Override(key, value, f"{kind} {config.key}: {key}", sure=bool(self._namespace))
            for config in self._configs
            if config.selects(node.labels)
            for key, value in config.values.items()
        }

    def replaces_kube_proxy(self, overrides: tuple[Override, ...]) -> Statement:
        """The statement that counts on a node with these overrides. 1.20.2 pkg/option, operator:
        kube-proxy-replacement is "true" or "false"; before 1.14 "strict", "partial", "probe" or "disabled"."""
        if self._sources.odd:
            return Statement(None, f"{self._daemon_set_object}: {self._sources.odd}")
        if override := self.replacement_override(overrides):
            return override
        value = self.config.values.get(REPLACES) if self.config else None
        if value is None:
            return Statement(None, f"{self._config_object} without {REPLACES}")
        return self._replaces(f"{self._config_object}: {REPLACES}", value, overrides)

    def replacement_override(self, overrides: tuple[Override, ...]) -> Statement | None:
        """What a source other than the ConfigMap says; None if none of them does."""
        for each in overrides:
            if each.key == REPLACES:
                statement = self._replaces(each.where, each.value, overrides)
                return statement if each.sure else Statement(None, f"{statement.how}, if the agent reads it,")
        return None

    def _replaces(self, where: str, value: str, overrides: tuple[Override, ...]) -> Statement:
        how = f"{where}={value}"
        if value in ("true", "strict"):
            return Statement(True, how)
        if value == "false" and (key := self._taking_node_ports(overrides)):
            return Statement(None, f"{how} with {key}=true")
        return Statement(False if value in ("false", "disabled") else None, how)

    def _taking_node_ports(self, overrides: tuple[Override, ...]) -> str:
        """The key that lets Cilium take node ports on a node with these overrides; "" if none does."""
        release = release_of(self._agent.release) if self._agent else None
        if release is not None and release >= _TAKES_NONE_SINCE:
            return ""
        values = self._values(overrides)
        return next((key for key in _TAKES_NODE_PORTS if values.get(key) == "true"), "")

    def _values(self, overrides: tuple[Override, ...]) -> dict[str, str]:
        own = {each.key: each.value for each in overrides}
        return self.config.values | own if self.config else own

    def settings(self, overrides: tuple[Override, ...]) -> tuple[tuple[str, str], ...] | None:
        """The settings of a node with these overrides; None if they are not known."""
        if self.config is None or self._sources.odd or self.node_configs_unread():
            return None
        return tuple(sorted(self._values(overrides).items()))


def _of_node(own: dict[str, str]) -> dict[str, Override]:
    return {key: Override(key, value, f"{_ON_NODE}{key}") for key, value in own.items()}


def _sources_of(builder: Container, namespace: str) -> Sources:
    """The arguments of `cilium-dbg build-config`."""
    arguments = builder.args or []
    text = last_value(arguments, "source") or _DEFAULT_SOURCES
    first, *others = text.split(",")
    config_maps = (_CONFIG_MAP, f"{_CONFIG_MAP}:cilium-config", f"{_CONFIG_MAP}:{namespace}/cilium-config")
    read = (_NODE_CONFIG, f"{_NODE_CONFIG}:", f"{_NODE_CONFIG}:{namespace}", _NODE, f"{_NODE}:")
    odd = first not in config_maps or any(spec not in read for spec in others)
    return Sources(
        kinds=tuple(spec.partition(":")[0] for spec in others if spec in read),
        odd=f"--source={text}" if odd else "",
        allowed=_keys(arguments, "allow-config-keys"),
        denied=_keys(arguments, "deny-config-keys"),
    )


def _keys(arguments: list[str], name: str) -> frozenset[str]:
    return frozenset(filter(None, (last_value(arguments, name) or "").split(",")))
