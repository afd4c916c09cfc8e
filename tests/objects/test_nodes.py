"""The annotations of a Node that show its data plane, reduced to what a rule reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etpguard.objects import NODE, Node, decode_item

OVN = "k8s.ovn.org/l3-gateway-config"
K3S = "k3s.io/node-args"


def node(annotations: Any = None) -> Node:
    found = decode_item(NODE, json.dumps({"metadata": {"name": "a", "annotations": annotations}}).encode())
    assert isinstance(found, Node)
    return found


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        pytest.param(
            K3S,
            '["server","--disable","traefik","--token","********","--disable-kube-proxy","true"]',
            '["server","--disable-kube-proxy=true"]',
            id="a value in the next argument",
        ),
        pytest.param(
            K3S,
            '["server","--disable-kube-proxy","--flannel-backend","none"]',
            '["server","--disable-kube-proxy"]',
            id="a switch",
        ),
        pytest.param(
            K3S,
            '["agent","--kube-proxy-arg","proxy-mode=ipvs","--kube-proxy-arg=v=4"]',
            '["agent","--kube-proxy-arg=proxy-mode=ipvs","--kube-proxy-arg=v=4"]',
            id="a repeated argument",
        ),
        pytest.param(K3S, '["server"]', '["server"]', id="no argument"),
        pytest.param(K3S, "[]", "[]", id="an empty list"),
        pytest.param(K3S, "server --x", "[]", id="no JSON"),
        pytest.param(K3S, '{"a":1}', "[]", id="no list"),
        pytest.param(
            OVN,
            '{"default":{"mode":"shared","interface-id":"breth0_a","mac-address":"02:42:ac:12:00:03",'
            '"node-port-enable":"false"}}',
            '{"default":{"mode":"shared","node-port-enable":"false"}}',
            id="the gateway of a node",
        ),
        pytest.param(OVN, '{"default":{"mode":""}}', '{"default":{}}', id="no gateway"),
        pytest.param(OVN, '{"other":{"mode":"local"}}', "{}", id="another network"),
        pytest.param(OVN, '{"default":["x"]}', "{}", id="another form"),
    ],
)
def test_an_annotation_is_reduced(key: str, given: str, kept: str) -> None:
    annotations = node({key: given}).annotations
    assert (annotations.k3s_args if key == K3S else annotations.l3_gateway_config) == kept
    assert node({key: kept}).annotations == annotations, "a dump decodes to the same"


def test_other_annotations_are_not_decoded() -> None:
    assert (
        node({"example.com/large": "x" * 1000, "k8s.ovn.org/node-chassis-id": "c"}).annotations
        == node({"k8s.ovn.org/node-chassis-id": "c"}).annotations
    )


@pytest.mark.parametrize("none", [None, {}])
def test_a_node_without_annotations(none: Any) -> None:
    assert node(none).annotations.chassis_id is None


def test_a_heartbeat_of_another_annotation_changes_nothing() -> None:
    before, after = node({"example.com/seen": "1"}), node({"example.com/seen": "2"})
    assert before.substance == after.substance
    assert before.substance != node({K3S: '["server"]'}).substance
