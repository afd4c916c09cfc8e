"""Kinds of which a part is read, in files and in dumps: the Leases of Cilium, the svclb Pods of k3s."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.dump.objects import dumped_objects
from etpguard.cli.dump.vocabulary import vocabulary
from etpguard.cli.errors import Failure
from etpguard.cli.input import live
from etpguard.cli.input.cluster_dump import qualified
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import ObjectCollector, yaml_document
from etpguard.kube.errors import Forbidden, KubeError, Unreachable
from etpguard.kube.lists import Listing
from etpguard.objects import NODE, AnyKind, decode_item
from etpguard.objects.cilium import CILIUM_L2_LEASE
from etpguard.objects.k3s import SERVICE_NAME, SERVICE_NAMESPACE, SVCLB_POD
from etpguard.objects.pods import POD
from tests.cli.every_kind import custom

Json = dict[str, Any]


def svclb(name: str = "svclb-web-0af81c2d-x7k2p", **status: Any) -> Json:
    made = custom("Pod", "v1", name, "kube-system", spec={"nodeName": "n1", "containers": []}, status=status)
    made["metadata"]["labels"] = {SERVICE_NAME: "web", SERVICE_NAMESPACE: "shop"}
    return made


READY = svclb(conditions=[{"type": "Ready", "status": "True"}])
OTHER = custom("Pod", "v1", "web-1", "shop", spec={"nodeName": "n1", "containers": []})


def load(items: list[Json], *others: AnyKind) -> Loaded:
    loaded = Loaded(picture_for(consumer_families(), others), live=False, where="test")
    collector = ObjectCollector(loaded)
    collector.add(yaml_document("", {"kind": "List", "apiVersion": "v1", "items": items}))
    collector.finish()
    return loaded


def dumped(loaded: Loaded) -> list[str]:
    objects = dumped_objects(loaded.picture, vocabulary().reads_annotation)
    return [f"{item['kind']} {item['metadata']['name']}" for item in objects]


def test_other_objects_of_the_resource_are_passed_over() -> None:
    leases = [
        custom("Lease", "coordination.k8s.io/v1", name, "kube-system", spec={"holderIdentity": "n1"})
        for name in ("cilium-l2announce-shop-web", "kube-scheduler")
    ]
    loaded = load([READY, OTHER, *leases])
    assert dumped(loaded) == ["Lease cilium-l2announce-shop-web", "Pod svclb-web-0af81c2d-x7k2p"]
    assert loaded.all_warnings() == []


def test_one_that_cannot_be_read_is_none_of_them() -> None:
    loaded = load([svclb(conditions=7), {**OTHER, "metadata": {"name": "web-1", "labels": 7}}])
    assert (dumped(loaded), loaded.all_warnings()) == ([], [])


def test_a_pod_that_two_kinds_have_is_dumped_once() -> None:
    loaded = load([READY, OTHER], POD)
    assert dumped(loaded) == ["Pod svclb-web-0af81c2d-x7k2p", "Pod web-1"]
    assert [pod.ready for pod in loaded.picture.store(SVCLB_POD)] == [True]
    again = load(list(dumped_objects(loaded.picture, vocabulary().reads_annotation)), POD)
    assert [pod.ready for pod in again.picture.store(SVCLB_POD)] == [True]


def test_a_dump_of_a_part_does_not_say_that_it_has_all() -> None:
    assert qualified(POD) == "pods.v1"
    assert qualified(SVCLB_POD) == "pods.v1/svccontroller.k3s.cattle.io/svcname"
    assert qualified(CILIUM_L2_LEASE) == "leases.v1.coordination.k8s.io/cilium-l2announce-*"


class Lists(live.Lists):
    """Of a cluster with one node of k3s, without requests."""

    def __init__(self, answer: live.ListResult) -> None:
        self.namespaces = ()
        self.narrowed = []
        self._answer = answer
        self.asked: list[AnyKind] = []

    def results(self) -> Any:
        node: Any = decode_item(NODE, custom("Node", "v1", "n1", spec={"providerID": "k3s://n1"}))
        yield NODE, Listing([node], [])

    def subset(self, kind: AnyKind) -> live.ListResult:
        self.asked.append(kind)
        return self._answer

    def named(self) -> Any:
        return {}


def read(answer: live.ListResult) -> tuple[Loaded, Lists]:
    loaded, lists = Loaded(picture_for(consumer_families()), live=True, where="test"), Lists(answer)
    live.load(loaded, lists)
    return loaded, lists


def test_a_live_cluster_is_asked_for_what_its_objects_make_necessary() -> None:
    pod: Any = decode_item(SVCLB_POD, READY)
    loaded, lists = read(Listing([pod], []))
    assert lists.asked == [SVCLB_POD]
    assert list(loaded.picture.store(SVCLB_POD)) == [pod]


def test_what_may_not_be_listed_is_noted() -> None:
    loaded, _ = read(Forbidden("may not list pods: no"))
    assert loaded.picture.unread == {SVCLB_POD: "may not list pods: no"}
    assert loaded.not_read == ["pods"]


@pytest.mark.parametrize("error", [Unreachable("gone"), KubeError("broken")])
def test_another_failure_is_one_of_the_command(error: KubeError) -> None:
    with pytest.raises(Failure, match=str(error)):
        read(error)
