"""The clouds that nodes tell of, and that consumers follow when they change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.assess.platforms import Platforms, platforms_of
from etpguard.objects import NODE, Node, Reject, decode_item
from tests.assess.consumers.worlds import Json, endpoints, node, nodes, service, world


def record(made: Json) -> Node:
    found = decode_item(NODE, made)
    assert not isinstance(found, Reject)
    return found


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(node("a"), set(), id="nothing known"),
        pytest.param(node("a", "aws:///eu-west-1a/i-1"), {"aws"}, id="aws"),
        pytest.param(
            node("a", "gce://p/z/n", labels={"cloud.google.com/gke-nodepool": "x"}), {"gce", "gke"}, id="gke"
        ),
        pytest.param(
            node("a", "aws:///z/i-1", labels={"eks.amazonaws.com/compute-type": "auto"}),
            {"aws", "eks-auto"},
            id="auto",
        ),
        pytest.param(
            node("a", "k3s://a", labels={"svccontroller.k3s.cattle.io/enablelb": "true"}),
            {"k3s", "k3s-servicelb-nodes"},
            id="k3s",
        ),
        pytest.param(node("a", network="CiliumIsUp"), {"cilium"}, id="cilium"),
        pytest.param(node("a", network="CalicoIsUp"), set(), id="another network"),
        pytest.param(node("a", "cn-hangzhou.i-bp1"), {"alicloud"}, id="no scheme: Alibaba Cloud"),
        pytest.param(node("a", "ocid1.instance.oc1.iad.x"), {"oci"}, id="no scheme: OCI"),
        pytest.param(node("a", "hrobot://7"), {"hcloud", "hetzner-robot"}, id="a second scheme of Hetzner"),
        pytest.param(node("a", "some-id"), set(), id="no scheme"),
        pytest.param(node("a", "://x"), set(), id="an empty scheme"),
    ],
)
def test_of_a_node(made: Json, expected: set[str]) -> None:
    assert platforms_of(record(made)) == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "aws", "gce", None])), max_size=20))
def test_whatever_the_order_the_set_is_that_of_the_nodes_there_are(
    steps: list[tuple[str, str | None]],
) -> None:
    kept, there = Platforms(), dict[str, str]()
    for name, scheme in steps:
        before = kept.present
        changed = kept.update(
            name, None if scheme is None else record(node(name, f"{scheme}://x" if scheme else ""))
        )
        there.pop(name, None)
        if scheme:
            there[name] = scheme
        assert kept.present == set(there.values())
        assert changed is (before != kept.present)


def test_consumers_follow_a_cloud_that_comes_and_another() -> None:
    made = world(service(), endpoints("a"), *nodes(""))
    assert made.assessment.consumers == ()
    made.put(node("a", "hcloud://1"))
    assert made.consumer().consumer.controller == "cloud-provider/hcloud"
    made.put(node("b", "linode://1"))
    assert made.consumer().reason.code == "LoadBalancerNotRecognised"
    made.put(node("b"))
    assert made.consumer().consumer.controller == "cloud-provider/hcloud"


def test_from_no_node_at_all_to_the_first_ones() -> None:
    made = world(service(), endpoints())
    assert (made.assessment.outcome.name, made.assessment.consumers) == ("NoEndpoints", ())
    made.put(node("a", "gce://1"), node("b", "gce://2"), endpoints("a"))
    assert made.consumer().outcome.name == "TargetsUnhealthy"
