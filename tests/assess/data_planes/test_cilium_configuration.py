"""The configuration of Cilium on a node: its sources, their order, and where Cilium is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from etpguard.assess.data_planes.detection_cilium import CiliumConfiguration
from etpguard.cli.dump.objects import dumped_object
from etpguard.objects import NODE, Node, Reject, decode_item, named
from etpguard.objects.named import NamedObject
from etpguard.objects.nodes import CILIUM_PREFIX
from etpguard.objects.workloads import CONFIG_KEYS
from tests.assess.data_planes.clusters import (
    Json,
    cilium_node_config,
    config_map,
    daemon_set,
    detect,
    named_objects,
    node,
)

REPLACES = "kube-proxy-replacement"
HEALTH = "enable-health-check-nodeport"
OFF = config_map("cilium-config", **{REPLACES: "false", HEALTH: "true"})
ON_BY_CONFIG = cilium_node_config("on", {}, kube_proxy_replacement="true")
FROM_CONFIG_MAP = f"ConfigMap kube-system/cilium-config: {REPLACES}=false"
FROM_CONFIG = f"CiliumNodeConfig kube-system/on: {REPLACES}=true"
FROM_NODE = f"the label or annotation {CILIUM_PREFIX}{REPLACES}=true"
ANNOTATED = node("a", annotations={CILIUM_PREFIX + REPLACES: "true"})
LABELS: Json = {CILIUM_PREFIX + REPLACES: "true"}
LABELLED = node("a", **LABELS)
WITH_NODE = "--source=config-map:cilium-config,cilium-node-config,node"


def cilium(*arguments: str, namespace: str = "kube-system") -> Json:
    """The DaemonSet whose init container merges the configuration with these arguments."""
    builder = {"name": "config", "image": "cilium:v1.20.2", "command": ["cilium-dbg", "build-config", *arguments]}
    others = [{"name": "mount-cgroup", "image": "cilium:v1.20.2", "command": ["sh", "-ec", "--source=x"]}]
    return daemon_set("cilium", "cilium:v1.20.2", namespace, initContainers=[builder, *others])


def configuration(items: Iterable[Json], unread: Iterable[NamedObject] = ()) -> CiliumConfiguration:
    return CiliumConfiguration(named_objects(items, unread))


def record(made: Json) -> Node:
    found = decode_item(NODE, made)
    assert isinstance(found, Node)
    return found


@pytest.mark.parametrize(
    ("agent", "on", "expected"),
    [
        pytest.param([cilium()], ANNOTATED, FROM_CONFIG_MAP, id="by default no agent reads the Node"),
        pytest.param([cilium(WITH_NODE)], ANNOTATED, FROM_NODE, id="annotation"),
        pytest.param([cilium(WITH_NODE)], LABELLED, FROM_NODE, id="label"),
        pytest.param(
            [cilium(WITH_NODE)],
            node("a", annotations={CILIUM_PREFIX + REPLACES: "true"}, **{CILIUM_PREFIX + REPLACES: "false"}),
            FROM_NODE,
            id="an annotation outranks a label",
        ),
        pytest.param([cilium("--source", "config-map,node")], ANNOTATED, FROM_NODE, id="two arguments"),
        pytest.param(
            [cilium("--source=config-map:kube-system/cilium-config,node:")], ANNOTATED, FROM_NODE, id="namespace"
        ),
        pytest.param([cilium(), ON_BY_CONFIG], node("a"), FROM_CONFIG, id="CiliumNodeConfig"),
        pytest.param(
            [cilium_node_config("on", {}, enable_health_check_nodeport="false", kube_proxy_replacement="true")],
            node("a"),
            FROM_CONFIG,
            id="CiliumNodeConfig with other keys",
        ),
        pytest.param(
            [cilium_node_config("on", {}, enable_health_check_nodeport="false")],
            node("a"),
            FROM_CONFIG_MAP,
            id="CiliumNodeConfig with other keys alone",
        ),
        pytest.param(
            [cilium(f"{WITH_NODE}"), cilium_node_config("z", {}, kube_proxy_replacement="false")],
            ANNOTATED,
            FROM_NODE,
            id="the last source wins",
        ),
        pytest.param(
            [cilium("--source=config-map,node,cilium-node-config:kube-system"), ON_BY_CONFIG],
            node("a", annotations={CILIUM_PREFIX + REPLACES: "false"}),
            FROM_CONFIG,
            id="in the order of the argument",
        ),
        pytest.param(
            [cilium("--source=config-map:cilium-config"), ON_BY_CONFIG],
            ANNOTATED,
            FROM_CONFIG_MAP,
            id="the ConfigMap alone",
        ),
        pytest.param(
            [cilium(WITH_NODE, f"--deny-config-keys=debug,{REPLACES}"), ON_BY_CONFIG],
            ANNOTATED,
            FROM_CONFIG_MAP,
            id="denied",
        ),
        pytest.param(
            [cilium("--allow-config-keys=debug"), ON_BY_CONFIG], node("a"), FROM_CONFIG_MAP, id="not allowed"
        ),
        pytest.param([cilium("--deny-config-keys=debug"), ON_BY_CONFIG], node("a"), FROM_CONFIG, id="not denied"),
        pytest.param(
            [cilium(f"--allow-config-keys={REPLACES}", f"--deny-config-keys={REPLACES}"), ON_BY_CONFIG],
            node("a"),
            FROM_CONFIG,
            id="what is allowed outranks what is denied",
        ),
        pytest.param(
            [cilium("--allow-config-keys=", f"--deny-config-keys={REPLACES}"), ON_BY_CONFIG],
            node("a"),
            FROM_CONFIG_MAP,
            id="an empty list allows all",
        ),
        pytest.param(
            [daemon_set("cilium", initContainers=[{"name": "mount-cgroup"}]), ON_BY_CONFIG],
            node("a"),
            FROM_CONFIG_MAP,
            id="no init container merges sources",
        ),
        pytest.param([daemon_set("cilium"), ON_BY_CONFIG], node("a"), FROM_CONFIG, id="no init container"),
        pytest.param([ON_BY_CONFIG], node("a"), FROM_CONFIG, id="no DaemonSet"),
        pytest.param(
            [cilium(), ON_BY_CONFIG | {"metadata": {"name": "on", "namespace": "shop"}}],
            node("a"),
            FROM_CONFIG_MAP,
            id="a CiliumNodeConfig in another namespace",
        ),
    ],
)
def test_the_statement_that_counts(agent: list[Json], on: Json, expected: str) -> None:
    found = configuration([OFF, *agent])
    assert found.replaces_kube_proxy(found.overrides(record(on))).how == expected


@pytest.mark.parametrize(
    "source",
    [
        "config-map:other",
        "config-map:shop/cilium-config",
        "node,config-map",
        "config-map,config-map:extra",
        "config-map,cilium-node-config:shop",
        "config-map,cilium-node-config:kube-system/on",
        "config-map,node:other",
        ",",
    ],
)
def test_a_source_that_is_not_read_leaves_the_question_open(source: str) -> None:
    found = configuration([OFF, cilium(f"--source={source}")])
    statement = found.replaces_kube_proxy(found.overrides(record(node("a"))))
    assert statement == (None, f"DaemonSet kube-system/cilium: --source={source}")
    assert found.settings(()) is None
    detected = detect([node("a"), OFF, cilium(f"--source={source}")])
    assert detected.possible == {"cilium", "kube-proxy"}


def test_a_daemon_set_that_could_not_be_read_leaves_the_question_open() -> None:
    found = configuration([OFF], [named.CILIUM_DAEMON_SET])
    assert found.replaces_kube_proxy(found.overrides(record(node("a")))).how == FROM_CONFIG_MAP
    assert found.replaces_kube_proxy(found.overrides(record(LABELLED))) == (
        None,
        f"{FROM_NODE}, if the agent reads it,",
    )
    detected = detect([LABELLED, OFF], unread=[named.CILIUM_DAEMON_SET])
    assert detected.possible == {"cilium", "kube-proxy"}


def test_the_settings_are_those_of_the_node() -> None:
    first = cilium_node_config("a", {}, enable_health_check_nodeport="x", debug="true")
    items = [OFF, first, cilium_node_config("b", {}, enable_health_check_nodeport="false")]
    found = configuration(items)
    assert found.settings(found.overrides(record(node("a")))) == ((HEALTH, "false"), (REPLACES, "false"))
    assert found.settings(()) == ((HEALTH, "true"), (REPLACES, "false"))
    assert configuration([OFF], [named.CILIUM_NODE_CONFIGS]).settings(()) is None
    alone = configuration([OFF, cilium("--source=config-map")], [named.CILIUM_NODE_CONFIGS])
    assert alone.settings(()) == ((HEALTH, "true"), (REPLACES, "false"))
    assert configuration([first]).settings(()) is None


def test_every_key_that_a_rule_reads_can_be_an_annotation() -> None:
    every = {key: f"value of {key}" for key in CONFIG_KEYS}
    made = node("a", annotations={CILIUM_PREFIX + key: value for key, value in every.items()})
    assert record(made).cilium_overrides == every
    found = configuration([OFF, cilium(WITH_NODE)])
    assert dict(found.settings(found.overrides(record(made))) or ()) == every


@pytest.mark.parametrize(
    ("replaces", "version", "keys", "possible"),
    [
        pytest.param("false", "v1.16.7", {"enable-node-port": "true"}, {"kube-proxy", "cilium"}, id="node ports"),
        pytest.param("false", "v1.18.0", {"enable-envoy-config": "true"}, {"kube-proxy", "cilium"}, id="Envoy"),
        pytest.param("false", "main", {"enable-node-port": "true"}, {"kube-proxy", "cilium"}, id="some release"),
        pytest.param("false", "v1.16.7", {"enable-node-port": "false"}, {"kube-proxy"}, id="no node ports"),
        pytest.param("false", "v1.19.0", {"enable-node-port": "true"}, {"kube-proxy"}, id="the key is gone"),
        pytest.param("disabled", "v1.13.1", {"enable-node-port": "true"}, {"kube-proxy"}, id="disabled"),
    ],
)
def test_a_cilium_that_may_take_node_ports_before_kube_proxy(
    replaces: str, version: str, keys: Json, possible: set[str]
) -> None:
    config = config_map("cilium-config", **{REPLACES: replaces}, **keys)
    found = detect([node("a"), config, daemon_set("cilium", f"cilium:{version}"), daemon_set("kube-proxy")])
    assert found.possible == possible
    signs = [other.groups[0].plane.how for other in found.planes.otherwise]
    assert all(sign.endswith(f"{REPLACES}=false with {next(iter(keys))}=true)") for sign in signs)


def test_a_config_map_without_the_key_is_named_so() -> None:
    found = detect([node("a"), config_map("cilium-config", debug="true"), daemon_set("kube-proxy")])
    (other,) = found.planes.otherwise
    (group,) = other.groups
    assert group.plane.how.endswith(f"kube-proxy (ConfigMap kube-system/cilium-config without {REPLACES})")


def test_a_node_on_which_cilium_may_take_node_ports() -> None:
    items = [OFF, cilium_node_config("on", {"matchLabels": {"new": "yes"}}, enable_node_port="true")]
    items += [daemon_set("cilium", "cilium:v1.16.7"), daemon_set("kube-proxy")]
    assert detect([node("a"), *items]).possible == {"kube-proxy"}
    assert detect([node("a", new="yes"), *items]).possible == {"kube-proxy", "cilium"}


def elsewhere(item: Json) -> Json:
    return item | {"metadata": item["metadata"] | {"namespace": "cilium"}}


def test_cilium_in_the_namespace_cilium() -> None:
    on = config_map("cilium-config", **{REPLACES: "true"})
    found = detect([node("a"), elsewhere(on), cilium(namespace="cilium"), elsewhere(OFF_BY_CONFIG)])
    assert [(group.plane, group.how) for group in found.groups] == [
        ("kube-proxy", "assumed"),
    ]
    found = detect([node("a"), elsewhere(on), cilium(namespace="cilium"), OFF_BY_CONFIG])
    (group,) = found.planes.groups
    assert group.plane.how == f"ConfigMap cilium/cilium-config: {REPLACES}=true"
    assert group.plane.version == "v1.20.2"
    assert group.plane.settings == ((REPLACES, "true"),)


OFF_BY_CONFIG = cilium_node_config("off", {}, kube_proxy_replacement="false")


def test_cilium_in_kube_system_precedes() -> None:
    on = elsewhere(config_map("cilium-config", **{REPLACES: "true"}))
    found = configuration([OFF, on])
    assert found.replaces_kube_proxy(()).how == FROM_CONFIG_MAP


def test_a_cilium_node_config_alone_leaves_the_question_open() -> None:
    made = ON_BY_CONFIG | {"metadata": {"name": "on", "namespace": "networking"}}
    assert detect([node("a"), made]).possible == {"cilium", "kube-proxy"}
    assert detect([node("a"), made, daemon_set("kube-proxy")]).possible == {"cilium", "kube-proxy"}


def test_a_dump_has_the_sources_and_no_other_argument() -> None:
    made = cilium(WITH_NODE, "--deny-config-keys", "debug", "--k8s-api-server-urls=https://10.0.0.1")
    kind = named.CILIUM_DAEMON_SET.kind
    decoded = decode_item(kind, json.dumps(made).encode())
    assert not isinstance(decoded, Reject)
    dumped = dumped_object(kind, decoded, lambda key: False)
    (builder,) = dumped["spec"]["template"]["spec"]["initContainers"]
    assert builder["args"] == ["build-config", WITH_NODE, "--deny-config-keys=debug"]
    assert "command" not in builder
    first, again = (configuration([OFF, item, ON_BY_CONFIG]) for item in (made, dumped))
    assert again.overrides(record(ANNOTATED)) == first.overrides(record(ANNOTATED))


def test_cilium_in_another_namespace_is_never_taken_for_kube_proxy() -> None:
    found = detect([node("a", up="CiliumIsUp"), daemon_set("kube-proxy")])
    assert found.possible == {"cilium", "kube-proxy"}
