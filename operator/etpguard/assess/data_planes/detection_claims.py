"""What each sign says about the data plane of the nodes that show it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from etpguard.assess.data_planes.detection_nodes import (
    AKS_CILIUM,
    CILIUM_MIGRATION,
    EKS_COMPUTE,
    Cluster,
    NodeSigns,
)
from etpguard.assess.data_planes.detection_objects import Objects
from etpguard.assess.data_planes.interface import (
    HEALTHZ_ADDRESS,
    HEALTHZ_BESIDE,
    HEALTHZ_DECIDED_BY,
    NODE_PORTS,
    STRICT_ARP,
    DataPlane,
    KnownDataPlane,
)
from etpguard.assess.data_planes.rule import kube_proxy_healthz
from etpguard.assess.evidence import Evidence
from etpguard.objects import named

_CALICO = (named.CALICO_DAEMON_SET, named.CALICO_MANIFEST_DAEMON_SET)
_CILIUM = (named.CILIUM_DAEMON_SET, named.CILIUM_OTHER_DAEMON_SET, named.ANETD_DAEMON_SET)

CILIUM_NODES_UNREAD = "the CiliumNodeConfigs could not be read"
FELIX_NODES_UNREAD = "the FelixConfigurations of single nodes could not be read"


def observed(name: DataPlane, how: str) -> KnownDataPlane:
    return KnownDataPlane(name, evidence=Evidence.OBSERVED, how=how)


class Claims:
    """The claims of the Nodes and of the named objects. A claim is a data plane, with the sign that shows it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    # What one Node shows.

    def shown_by_node(self, signs: NodeSigns, cluster: Cluster) -> Iterator[KnownDataPlane]:
        if signs.windows:
            plane = observed(DataPlane.WINKERNEL, "the label kubernetes.io/os=windows")
            yield self.described(plane, signs, cluster)
            return
        if signs.cilium:
            yield self.described(observed(DataPlane.CILIUM, f"the label {AKS_CILIUM}=cilium"), signs)
        if signs.migrated:
            yield self.described(observed(DataPlane.CILIUM, f"the label {CILIUM_MIGRATION}=true"), signs)
        if signs.ovn:
            how = "the annotation k8s.ovn.org/node-chassis-id"
            yield self.described(observed(DataPlane.OVN_KUBERNETES, how), signs, cluster)
        if signs.eks_auto:
            how = f"the label {EKS_COMPUTE}={signs.eks_auto}"
            yield KnownDataPlane(DataPlane.KUBE_PROXY, evidence=Evidence.DOCUMENTED, how=how)
        if signs.embedded and cluster.servers == {False}:
            how = f"the annotation {signs.embedded.program}.io/node-args, without --disable-kube-proxy"
            mode = signs.embedded.mode or "iptables"
            yield self.described(replace(observed(DataPlane.KUBE_PROXY, how), mode=mode), signs, cluster)

    # What the named objects show for one Node.

    def shown_by_objects(self, signs: NodeSigns, cluster: Cluster) -> Iterator[KnownDataPlane]:
        for plane in (
            self._cilium(signs, cluster),
            self._openshift(signs, cluster),
            self._ovn(signs),
            self._kube_proxy(signs),
        ):
            if plane is not None:
                yield self.described(plane, signs, cluster)
        for each in (*self._calico(signs), *self._others(signs)):
            yield self.described(each, signs, cluster)

    def _cilium(self, signs: NodeSigns, cluster: Cluster) -> KnownDataPlane | None:
        if not self.cilium_may_run(signs, cluster):
            return None
        replaces = self._objects.cilium.replaces_kube_proxy(signs.cilium_overrides)
        if replaces.says:
            return observed(DataPlane.CILIUM, replaces.how)
        if named.ANETD_DAEMON_SET in signs.runs:
            how = f"{named.ANETD_DAEMON_SET}, GKE Dataplane V2"
            return KnownDataPlane(DataPlane.CILIUM, evidence=Evidence.DOCUMENTED, how=how)
        return None

    def cilium_may_run(self, signs: NodeSigns, cluster: Cluster) -> bool:
        if signs.aks and cluster.aks_cilium and not signs.cilium:
            return False  # the node pool of AKS that has kube-proxy
        known = any(self._objects.daemon_set(each) for each in _CILIUM)
        return not known or any(each in signs.runs for each in _CILIUM)

    def _openshift(self, signs: NodeSigns, cluster: Cluster) -> KnownDataPlane | None:
        network = self._objects.openshift()
        if network is None:
            return None
        how = f"{named.OPENSHIFT_OPERATOR}: defaultNetwork.type={network.type}"
        match network.type:
            case "OVNKubernetes" if signs.ovn or not cluster.ovn:
                return observed(DataPlane.OVN_KUBERNETES, how)
            case "OpenShiftSDN":
                return observed(DataPlane.KUBE_PROXY, how)  # its pods embed kube-proxy
            case "Cilium" if network.deploy_kube_proxy is False:
                return observed(DataPlane.CILIUM, f"{how} with deployKubeProxy=false")
        if network.deploy_kube_proxy:
            return observed(DataPlane.KUBE_PROXY, f"{named.OPENSHIFT_OPERATOR}: deployKubeProxy=true")
        return None

    def _ovn(self, signs: NodeSigns) -> KnownDataPlane | None:
        for each in (named.OPENSHIFT_OVN_DAEMON_SET, named.OVN_DAEMON_SET):
            if each in signs.runs:
                return observed(DataPlane.OVN_KUBERNETES, str(each))
        return None

    def _kube_proxy(self, signs: NodeSigns) -> KnownDataPlane | None:
        for each in (named.KUBE_PROXY_DAEMON_SET, named.OPENSHIFT_KUBE_PROXY_DAEMON_SET):
            if each in signs.runs:
                return observed(DataPlane.KUBE_PROXY, str(each))
        return None

    def _beside_kube_proxy(
        self, settings: tuple[tuple[str, str], ...] | None, signs: NodeSigns, cluster: Cluster | None
    ) -> tuple[tuple[str, str], ...] | None:
        """The settings of a data plane with what a kube-proxy beside it answers on port 10256, as far as objects
        show that."""
        answers = self._kube_proxy_healthz(signs, cluster)
        if answers is None and self.kube_proxy_is_gone(signs, cluster or Cluster()):
            answers = "false"
        if settings is None or answers is None:
            return settings
        return tuple(sorted((*settings, (HEALTHZ_BESIDE, answers))))

    def _kube_proxy_healthz(self, signs: NodeSigns, cluster: Cluster | None) -> str | None:
        """What kube-proxy answers on port 10256 of the node: "true", "false", or a sentence why that is not known.
        None where no sign shows kube-proxy."""
        shown = list(self.shown_by_node(signs, cluster)) if cluster and signs.embedded else []
        shown += [self.described(each, signs, cluster) for each in (self._kube_proxy(signs),) if each is not None]
        for each in shown:
            if each.name is DataPlane.KUBE_PROXY:
                answers = kube_proxy_healthz(each)
                return answers if isinstance(answers, str) else str(answers).lower()
        return None

    def _calico(self, signs: NodeSigns) -> Iterator[KnownDataPlane]:
        if any(self._objects.daemon_set(each) for each in _CALICO) and not any(n in signs.runs for n in _CALICO):
            return
        statements = self._objects.calico_replaces_kube_proxy(signs.felix_bpf)
        for statement in statements:
            if statement.says:
                yield observed(DataPlane.CALICO_EBPF, statement.how)
            elif statement.says is False and any(other.says for other in statements):
                yield observed(DataPlane.KUBE_PROXY, statement.how)
            elif statement.how.endswith("linuxDataplane=VPP"):
                yield observed(DataPlane.OTHER, statement.how)

    def _others(self, signs: NodeSigns) -> Iterator[KnownDataPlane]:
        antrea = self._objects.antrea_proxies_all()
        if antrea.says:
            yield observed(DataPlane.ANTREA, antrea.how)
        router = self._objects.kube_router_proxies()
        if named.KUBE_ROUTER_DAEMON_SET in signs.runs and router.says:
            yield observed(DataPlane.KUBE_ROUTER, router.how)

    def kube_proxy_is_gone(self, signs: NodeSigns, cluster: Cluster) -> str:
        """Why the node surely has no kube-proxy; "" if it may have one."""
        if signs.embedded and cluster.servers == {True}:
            return f"--disable-kube-proxy in the annotation {signs.embedded.program}.io/node-args of the servers"
        network = self._objects.openshift()
        if network and network.deploy_kube_proxy is False and network.type not in ("", "OVNKubernetes"):
            return f"{named.OPENSHIFT_OPERATOR}: deployKubeProxy=false"
        # GKE has an idle DaemonSet beside the static pods of kube-proxy.
        known = self._objects.daemon_set(named.KUBE_PROXY_DAEMON_SET) is not None
        if known and not signs.gke and named.KUBE_PROXY_DAEMON_SET not in signs.runs:
            return f"{named.KUBE_PROXY_DAEMON_SET} does not run on the node"
        return ""

    def possible(self, signs: NodeSigns, cluster: Cluster) -> Iterator[KnownDataPlane]:
        """What no object excludes where kube-proxy is only assumed."""
        objects = self._objects
        agent = any(each in signs.runs for each in _CILIUM)
        replaces = objects.cilium.replaces_kube_proxy(signs.cilium_overrides)
        open_ = replaces.says is None
        shown = objects.cilium.config or objects.cilium.replacement_override(signs.cilium_overrides)
        if (
            (open_ or objects.cilium.node_configs_unread())
            and self.cilium_may_run(signs, cluster)
            and (agent or signs.network == "CiliumIsUp" or shown)
        ):
            sign = f" ({replaces.how})" if shown else ""
            why = f"no object says whether it replaces kube-proxy{sign}" if open_ else CILIUM_NODES_UNREAD
            how = f"Cilium runs on the node, and {why}"
            yield self.described(KnownDataPlane(DataPlane.CILIUM, how=how), signs)
        calico = any(each in signs.runs for each in _CALICO)
        unread = objects.unread(named.CALICO_INSTALLATION, named.CALICO_FELIX)
        statements = objects.calico_replaces_kube_proxy(signs.felix_bpf)
        if calico and unread and not any(s.says is not None for s in statements):
            how = "Calico runs on the node, and its configuration could not be read"
            yield KnownDataPlane(DataPlane.CALICO_EBPF, how=how)
        elif calico and objects.felix_nodes_unread():
            yield KnownDataPlane(DataPlane.CALICO_EBPF, how=f"Calico runs on the node, and {FELIX_NODES_UNREAD}")
        if named.ANTREA_DAEMON_SET in signs.runs and objects.antrea_proxies_all().says is None:
            how = "Antrea runs on the node, and its configuration could not be read"
            yield KnownDataPlane(DataPlane.ANTREA, how=how)
        if len(cluster.servers) > 1:
            how = "some servers have --disable-kube-proxy, and others do not"
            yield KnownDataPlane(DataPlane.OTHER, how=how)
        if cluster.ovn and not signs.ovn:
            yield KnownDataPlane(DataPlane.OVN_KUBERNETES, how="OVN-Kubernetes runs on other nodes")

    def kube_proxy_may_stay(self, chosen: KnownDataPlane, signs: NodeSigns, cluster: Cluster) -> str:
        """Why kube-proxy may handle the traffic of a node although objects show `chosen`; "" if it does not."""
        if self.kube_proxy_is_gone(signs, cluster):
            return ""
        if chosen.name is DataPlane.CALICO_EBPF:
            return FELIX_NODES_UNREAD if self._objects.felix_nodes_unread() else ""
        if chosen.name is not DataPlane.CILIUM or signs.cilium or signs.migrated:
            return ""
        return CILIUM_NODES_UNREAD if self._objects.cilium.node_configs_unread() else ""

    def described(self, plane: KnownDataPlane, signs: NodeSigns, cluster: Cluster | None = None) -> KnownDataPlane:
        """The data plane with its version, mode and settings, as far as the objects show them."""
        objects = self._objects
        match plane.name:
            case DataPlane.CILIUM:
                found = objects.cilium.settings(signs.cilium_overrides)
                return replace(plane, version=objects.version(*_CILIUM), settings=found)
            case DataPlane.CALICO_EBPF:
                found = self._beside_kube_proxy(objects.calico_settings(), signs, cluster)
                return replace(plane, version=objects.calico_version(), settings=found)
            case DataPlane.OVN_KUBERNETES:
                openshift = bool(cluster and cluster.openshift) or objects.openshift() is not None
                openshift |= named.OPENSHIFT_OVN_DAEMON_SET in signs.runs
                settings = [("node-port-enable", signs.ovn_node_ports)] if signs.ovn_node_ports else []
                settings += [("openshift", "true")] if openshift else []
                return replace(plane, mode=signs.ovn_mode, settings=tuple(settings) or None)
            case DataPlane.ANTREA:
                found = self._beside_kube_proxy(objects.antrea_settings(), signs, cluster)
                return replace(plane, version=objects.version(named.ANTREA_DAEMON_SET), settings=found)
            case DataPlane.KUBE_ROUTER:
                version = objects.version(named.KUBE_ROUTER_DAEMON_SET)
                return replace(plane, version=version, settings=objects.kube_router_settings())
            case DataPlane.KUBE_PROXY:
                own = _own_settings(signs, cluster) or objects.kube_proxy_settings()
                mode = plane.mode or objects.kube_proxy_mode()
                for_pods = self._serving_pods(signs, cluster or Cluster())
                return replace(plane, mode=mode, settings=own, for_pods=for_pods)
            case DataPlane.WINKERNEL:
                return replace(plane, settings=_own_settings(signs, cluster))
        return plane

    def _serving_pods(self, signs: NodeSigns, cluster: Cluster) -> KnownDataPlane | None:
        """What serves the cluster IPs for pods beside kube-proxy. Cilium always does: convertService of 1.20.2
        pkg/loadbalancer/reflectors/conversions.go makes these frontends whether it replaces kube-proxy or not. So
        does AntreaProxy; what it skips, kube-proxy serves by the same rule, so its settings do not matter."""
        objects = self._objects
        agent = any(each in signs.runs for each in _CILIUM) or signs.network == "CiliumIsUp"
        if (agent or objects.cilium.config) and self.cilium_may_run(signs, cluster):
            return self.described(KnownDataPlane(DataPlane.CILIUM), signs)
        if named.ANTREA_DAEMON_SET in signs.runs and objects.antrea_proxies():
            return KnownDataPlane(DataPlane.ANTREA)
        return None


def _own_settings(signs: NodeSigns, cluster: Cluster | None) -> tuple[tuple[str, str], ...] | None:
    """The setting of a kube-proxy that the distribution of the node runs; None if the node shows none. Where k3s
    or RKE2 runs none on any node, a kube-proxy is the user's own.
    microk8s-resources/default-args/kube-proxy of MicroK8s has 127.0.0.1."""
    if signs.embedded is not None and not (cluster and cluster.servers == {True}):
        if signs.embedded.healthz is None:
            return ((HEALTHZ_DECIDED_BY, f"a configuration file on the nodes of {signs.embedded.program}"),)
        node_ports = ((NODE_PORTS, signs.embedded.node_ports),) if signs.embedded.node_ports else ()
        strict_arp = ((STRICT_ARP, signs.embedded.strict_arp),) if signs.embedded.strict_arp else ()
        return ((HEALTHZ_ADDRESS, signs.embedded.healthz), *node_ports, *strict_arp)
    if signs.microk8s:
        where = "--healthz-bind-address in /var/snap/microk8s/current/args/kube-proxy on the nodes"
        return (
            (HEALTHZ_DECIDED_BY, f"{where}. The default of MicroK8s is 127.0.0.1, which answers no load balancer"),
        )
    return None
