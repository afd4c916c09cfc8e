"""kube-proxy in mode ipvs without strictARP: each node answers ARP requests for the addresses of all Services."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.targets import PossibleNodes
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.kube_proxy import answers_arp_everywhere
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason

_CODE = "EveryNodeAnswersARP"
_EVERY_NODE_ANSWERS = Reason(
    _CODE,
    "kube-proxy is in mode ipvs, and no object that was read sets strictARP to true. Without it, every node "
    "answers ARP requests for the address, whichever node announces or has it. Clients and routers take one of "
    "the answers. If it is that of a node without an endpoint, they lose their requests. Look at the answers "
    "with `arping ADDRESS` from another machine of the network",
)

_STRICT_ARP = Advice(
    "Set strictARP of kube-proxy to true",
    "In the ConfigMap kube-proxy of namespace kube-system, set ipvs.strictARP to true, and restart the pods of "
    "kube-proxy. In k3s and RKE2, add ipvs-strict-arp=true to kube-proxy-arg. Only the node that announces an "
    "address then answers for it.",
)


def answered_everywhere(view: View, *families: str) -> PossibleNodes | None:
    """The targets of an address of one of these families that a node announces by ARP, if other nodes answer for
    it too; None if they do not."""
    planes = view.planes
    if planes is None or "IPv4" not in families:
        return None
    known = (group.plane for each in (planes, *planes.otherwise) for group in each.groups)
    if not any(map(answers_arp_everywhere, known)):
        return None
    return PossibleNodes(EVERY_NODE, _EVERY_NODE_ANSWERS, sends_to_one=True)


def strict_arp(verdict: ConsumerVerdict) -> Iterable[Advice]:
    """The advice where `answered_everywhere` decided on the outcome."""
    if verdict.reason.code == _CODE:
        yield _STRICT_ARP
