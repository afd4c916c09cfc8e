"""The namespaces of one run and the links between them.

    client   load balancer   API relay            198.51.100.0/25 on one bridge
       |           |             |
    ---+-----+-----+------+------+---
             |            |
           node1        node2         ...         each with a kube-proxy
           |   |          |
         pod   pod       pod                      203.0.113.0/24, one veth each into the node

A run touches no namespace but its own; the API server is reached through a relay whose sockets stand in both.
"""

from __future__ import annotations

from types import TracebackType

from devcluster.dataplane import addresses, netns
from devcluster.dataplane.addresses import Addresses

# Rejects are ICMP messages: limited in rate they would look like time-outs. Duplicate address detection would
# hold back a new IPv6 address for a second. Reverse path filters and redirects have no place on a router.
SYSCTLS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_ratemask": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/forwarding": "1",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/icmp/ratelimit": "0",
    "ipv6/icmp/ratemask": "0",  # type 0 does not exist
}

_FABRIC = "fabric"
_FIRST_TABLE = 100


class Topology:
    """The namespaces of one run; everything it made is gone after `close` or the end of its `with`.

    Namespaces are named by what they are (`node1`, `pod-web-1`, `client`); `name` gives their full name.
    """

    def __init__(self) -> None:
        netns.clean_leftovers()
        self._run = netns.new_run()
        self._made: list[str] = []
        self._pod_links = 0
        try:
            self._make_fabric()
            self._join("client", addresses.CLIENT)
            self._join("alb", addresses.LOAD_BALANCER)
            self._route_vips_by_mark("client")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Topology:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def name(self, what: str) -> str:
        return f"{self._run}-{what}"

    @property
    def fabric(self) -> str:
        """The namespace of the bridge; it has the address `addresses.API`."""
        return self.name(_FABRIC)

    def add_node(self, node: str, index: int) -> str:
        """A node's namespace, with routes to the pods of every other node; returns its full name."""
        name = self._join(node, addresses.node(index))
        routes = []
        for other in range(1, addresses.MAX_NODES + 1):
            if other != index:
                cidrs, via = addresses.pod_cidrs(other), addresses.node(other)
                routes += [f"route add {cidrs.ipv4} via {via.ipv4}", f"route add {cidrs.ipv6} via {via.ipv6}"]
        netns.ip(*routes, namespace=name)
        return name

    def add_pod(self, pod: str, node: str, node_index: int, slot: int) -> str:
        """A pod's namespace with a veth into the node's; returns its full name."""
        name, at_node, own = self.name(pod), self.name(node), addresses.pod(node_index, slot)
        via = addresses.gateway(node_index)
        self._create(name)
        self._pod_links += 1
        link = f"pod{self._pod_links}"
        netns.ip(
            f"link add eth0 type veth peer name {link} netns {at_node}",
            f"addr add {own.ipv4}/32 dev eth0",
            f"addr add {own.ipv6}/128 dev eth0 nodad",
            "link set eth0 up",
            f"route add {via.ipv4} dev eth0",
            f"route add default via {via.ipv4} dev eth0",
            f"route add {via.ipv6} dev eth0",
            f"route add default via {via.ipv6} dev eth0",
            namespace=name,
        )
        # The kernel removes the link of a former pod with this address some time after its namespace.
        netns.ip(
            f"addr add {via.ipv4}/32 dev {link}",
            f"addr add {via.ipv6}/128 dev {link} nodad",
            f"link set {link} up",
            f"route replace {own.ipv4} dev {link}",
            f"route replace {own.ipv6} dev {link}",
            namespace=at_node,
        )
        return name

    def remove(self, what: str) -> None:
        """Removes a node's or a pod's namespace with all that runs in it."""
        name = self.name(what)
        netns.delete(name)
        if name in self._made:
            self._made.remove(name)

    def close(self) -> None:
        while self._made:
            netns.delete(self._made[-1])
            self._made.pop()

    def _create(self, name: str) -> None:
        self._made.append(name)
        netns.create(name, SYSCTLS)

    def _make_fabric(self) -> None:
        self._create(self.fabric)
        netns.ip(
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            *_addresses_on("br0", addresses.API),
            "link set br0 up",
            namespace=self.fabric,
        )
        # It is everyone's default gateway and leads nowhere: what it is sent vanishes, as beyond a real router.
        netns.ip(
            f"route add blackhole {addresses.VIP_RANGES['IPv4']}",
            f"route add blackhole {addresses.VIP_RANGES['IPv6']}",
            namespace=self.fabric,
        )

    def _join(self, what: str, own: Addresses) -> str:
        name = self.name(what)
        self._create(name)
        netns.ip(
            # The MAC goes with the address: a node in the place of a former one is no stranger to its neighbours.
            f"link add eth0 address {_mac(own)} type veth peer name {what} netns {self.fabric}",
            *_addresses_on("eth0", own),
            "link set eth0 up",
            f"route add default via {addresses.API.ipv4}",
            f"route add default via {addresses.API.ipv6}",
            namespace=name,
        )
        netns.ip(f"link set {what} master br0", f"link set {what} up", namespace=self.fabric)
        return name

    def _route_vips_by_mark(self, what: str) -> None:
        """A packet with mark N goes to node N, whatever its destination: so a VIP can be asked node by node."""
        lines: list[str] = []
        rules6: list[str] = []
        for index in range(1, addresses.MAX_NODES + 1):
            via, table = addresses.node(index), _FIRST_TABLE + index
            lines += [
                f"rule add fwmark {index} lookup {table}",
                f"route add default via {via.ipv4} dev eth0 table {table}",
                f"route add default via {via.ipv6} dev eth0 table {table}",
            ]
            rules6.append(f"rule add fwmark {index} lookup {table}")
        netns.ip(*lines, namespace=self.name(what))
        netns.ip(*rules6, namespace=self.name(what), family="inet6")


def _mac(own: Addresses) -> str:
    return f"02:00:00:00:00:{int(own.ipv4.rpartition('.')[2]):02x}"


def _addresses_on(link: str, own: Addresses) -> list[str]:
    return [
        f"addr add {own.ipv4}/{addresses.FABRIC_LENGTHS['IPv4']} dev {link}",
        f"addr add {own.ipv6}/{addresses.FABRIC_LENGTHS['IPv6']} dev {link} nodad",
    ]
