"""Input that is wrong, through the real process: an exit code, one line that names the place, no traceback."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import SEED, etpguard, failed

Json = dict[str, Any]


def seed() -> list[Json]:
    items: list[Json] = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    return items


def as_list(items: list[Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def service(items: list[Json]) -> Json:
    return next(item for item in items if item["kind"] == "Service")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 11)
)
MERGE_BOMB = "a0: &a0 {k0: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: v}}\n" for n in range(1, 11)
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param('{"kind": "List", "items": [', ["state: not JSON", "truncated"], id="broken JSON"),
        pytest.param(
            '{"kind": "List"} {"kind": ', ["state: document 2: not JSON"], id="second JSON document broken"
        ),
        pytest.param(
            '{"kind": "List", "items": 7}', ["state: not a Kubernetes object", "items"], id="items a number"
        ),
        pytest.param(
            "kind: List\nitems: 7",
            ["state: document 1: not a Kubernetes object: items"],
            id="items a number in YAML",
        ),
        pytest.param("[1, 2]", ["state: not a Kubernetes object"], id="a JSON array"),
        pytest.param(
            "kind: List\nitems: [a: b: c]\n", ["state: document 1: line 2", "not YAML"], id="broken YAML"
        ),
        pytest.param("kind: A\n---\n\tx\n", ["state: document 2: line 3"], id="second YAML document broken"),
        pytest.param(
            "just words",
            ["state: document 1: not a Kubernetes object: text instead of the output of `kubectl get -o json`"],
            id="a text, such as the table of kubectl",
        ),
        pytest.param("", ["state: empty"], id="an empty file"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\xff\xfe" * 50, ["state: ", "binary"], id="binary garbage"),
        pytest.param("\x00\x01\x02", ["state: ", "binary"], id="control characters"),
        pytest.param(BOMB, ["state: document 1: ", "aliases"], id="an alias bomb ten levels deep"),
        pytest.param(MERGE_BOMB, ["state: document 1: ", "merge keys"], id="a merge-key bomb ten levels deep"),
        pytest.param("a: &a [*a]\n", ["state: document 1: ", "contains itself"], id="an alias of itself"),
        pytest.param('{"a":' * 100_000, ["state: not JSON"], id="JSON nested without end"),
        pytest.param("a: " + "[" * 100_000, ["state: document 1: nested deeper"], id="YAML brackets without end"),
        pytest.param("- " * 100_000, ["state: document 1: nested deeper"], id="YAML dashes without end"),
        pytest.param(
            "".join(f"{' ' * n}a:\n" for n in range(3_000)),
            ["state: document 1: nested deeper"],
            id="YAML indented without end",
        ),
    ],
)
def test_what_cannot_be_parsed_ends_the_command(tmp_path: Path, body: str | bytes, expected: list[str]) -> None:
    file = tmp_path / "state"
    file.write_bytes(body if isinstance(body, bytes) else body.encode())
    line = failed(etpguard("check", "-f", file))
    for part in expected:
        assert part in line


def test_an_unreadable_file(tmp_path: Path) -> None:
    assert "gone.yaml: No such file" in failed(etpguard("check", "-f", tmp_path / "gone.yaml"))


def test_an_empty_directory(tmp_path: Path) -> None:
    assert f"{tmp_path}: no .json, .yaml or .yml file" in failed(etpguard("check", "-f", tmp_path))


def test_a_directory_that_has_only_directories(tmp_path: Path) -> None:
    """As of `oc adm must-gather`."""
    (tmp_path / "namespaces").mkdir()
    assert failed(etpguard("check", "-f", tmp_path)).endswith("; its folders are not read: name each one with -f")


def test_a_directory_whose_services_are_in_directories(tmp_path: Path) -> None:
    """As of `kubectl cluster-info dump`."""
    items = seed()
    (tmp_path / "nodes.json").write_text(as_list([i for i in items if i["kind"] == "Node"]))
    below = tmp_path / "default"
    below.mkdir()
    (below / "services.json").write_text(as_list([i for i in items if i["kind"] != "Node"]))
    line = failed(etpguard("check", "-f", tmp_path))
    why = "nothing was checked, because there is no Service in the input"
    assert line.endswith(f"{why}; the folders in {tmp_path} are not read: name each one with -f")
    assert etpguard("check", "-f", tmp_path, "-f", below).code == 0


def test_a_directory_with_other_files_among_them(tmp_path: Path) -> None:
    items = seed()
    (tmp_path / "README.md").write_text("not: [yaml")
    (tmp_path / "nodes.json").write_text(as_list([i for i in items if i["kind"] == "Node"]))
    (tmp_path / "rest.yml").write_text(yaml.safe_dump_all([i for i in items if i["kind"] != "Node"]))
    run = etpguard("check", "-f", tmp_path, "-o", "json")
    assert (run.code, run.err) == (0, "")
    assert run.report == etpguard("check", "-f", SEED, "-o", "json").report


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            lambda items: items.insert(1, {"metadata": {"name": "x"}}),
            "item 2: no kind",
            id="an object of no kind",
        ),
        pytest.param(lambda items: items.insert(0, 5), "item 1: ", id="an item that is no object"),
        pytest.param(lambda items: items.insert(0, {"kind": 7}), "item 1: ", id="a kind that is a number"),
        pytest.param(
            lambda items: items.append(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "w", "namespace": "d"},
                    "spec": {"ports": [{"port": "eighty"}]},
                }
            ),
            "Service d/w: spec.ports[0].port: expected int, got str",
            id="a string where a number belongs",
        ),
        pytest.param(
            lambda items: items.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": ["n"]}}),
            "Node (no name): metadata.name: expected str, got array",
            id="a name that is a list",
        ),
        pytest.param(
            lambda items: items.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "n"}}),
            "Service n: ",
            id="a Service without spec",
        ),
    ],
)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_malformed_object_is_lost_alone(tmp_path: Path, spoil: Any, expected: str, form: str) -> None:
    items: list[Any] = seed()
    spoil(items)
    file = tmp_path / "state"
    file.write_text(as_list(items) if form == "json" else yaml.safe_dump({"kind": "List", "items": items}))
    run = etpguard("check", "-f", file, "-o", "json")
    assert run.code == 0
    assert [s["outcome"] for s in run.report["services"]] == ["TargetsUnhealthy"]
    (warning,) = run.report["warnings"]
    assert str(file) in warning
    assert expected in warning
    assert run.err == f"etpguard: warning: {warning}\n"
    assert expected in failed(etpguard("check", "-f", file, "--strict", "-o", "json"))


def test_a_service_with_null_ports_has_none() -> None:
    items = seed()
    items.append({**service(items), "metadata": {"name": "portless", "namespace": "default"}})
    items[-1]["spec"] = {**items[-1]["spec"], "ports": None}
    run = etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items))
    assert (run.code, run.err) == (0, "")
    assert [s["name"] for s in run.report["services"]] == ["nginx-nginx-ingress-controller"]


def test_an_annotation_of_256_kib() -> None:
    items = seed()
    service(items)["metadata"]["annotations"] = {"note": "x" * 256 * 1024}
    run = etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items))
    assert (run.code, run.err) == (0, "")
    assert len(run.out) < 20_000


def test_unquoted_timestamps_and_times_are_text() -> None:
    text = SEED.read_text().replace(
        "creationTimestamp: '2026-03-02T09:00:00Z'", "deletionTimestamp: 2026-03-02T09:00:00Z"
    )
    path = "alb.ingress.kubernetes.io/healthcheck-path:"
    text = text.replace(path, f"maintenance: 12:30\n      {path}")
    run = etpguard("check", "-f", "-", "-o", "json", stdin=text)
    assert not [warning for warning in run.report["warnings"] if warning.startswith("skipped")]


def test_the_last_of_two_wins_with_a_warning(tmp_path: Path) -> None:
    items = seed()
    later = json.loads(json.dumps(service(items)))
    later["spec"]["externalTrafficPolicy"] = "Cluster"
    (tmp_path / "later.json").write_text(json.dumps(later))
    run = etpguard("check", "-f", SEED, "-f", tmp_path / "later.json", "-o", "json")
    assert run.report["services"] == []
    (warning,) = run.report["warnings"]
    assert "later.json: Service default/nginx-nginx-ingress-controller came before; the last one counts" in warning


def test_a_warning_names_an_api_version_that_is_not_read() -> None:
    items = seed()
    next(i for i in items if i["kind"] == "Ingress")["apiVersion"] = "networking.k8s.io/v1beta1"
    report = etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items)).report
    expected = "ingresses of networking.k8s.io/v1beta1 are not read, only those of networking.k8s.io/v1"
    assert expected in report["warnings"]


def test_a_version_with_the_same_fields_is_read() -> None:
    """aws-load-balancer-controller v3.5.0 prefers v1: the health check of the Gateway is the one that it sets."""
    at_10256 = {"healthCheckConfig": {"healthCheckPort": "10256", "healthCheckPath": "/healthz"}}
    name = service(seed())["metadata"]["name"]
    labels = {"gateway.k8s.aws.alb/stack-namespace": "default", "gateway.k8s.aws.alb/stack-name": "gw"}
    gateway = {"gatewayClassName": "aws"}
    more: list[tuple[str, str, str | None, Json]] = [
        ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "default", {"targetType": "instance"}),
        ("gateway.networking.k8s.io/v1", "Gateway", "default", gateway),
        ("gateway.networking.k8s.io/v1", "GatewayClass", None, {}),
        ("gateway.k8s.aws/v1", "LoadBalancerConfiguration", "default", {}),
        ("gateway.k8s.aws/v1", "TargetGroupConfiguration", "default", {"defaultConfiguration": at_10256}),
    ]
    items = [item for item in seed() if item["kind"] not in ("Ingress", "IngressClass")]
    for version, kind, namespace, spec in more:
        meta = {"name": "gw", "namespace": namespace, "labels": labels}
        bound = {"serviceRef": {"name": name, "port": 80}, "targetReference": {"name": name}}
        items.append({"apiVersion": version, "kind": kind, "metadata": meta, "spec": {**bound, **spec}})
    report = etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items)).report
    assert not any("not read" in warning for warning in report["warnings"])
    (consumer,) = report["services"][0]["consumers"]
    assert (consumer["kind"], consumer["outcome"]) == ("Gateway", "Blackhole")


def test_the_same_kind_of_another_group_is_read() -> None:
    """Calico 3.32 may keep its objects as projectcalico.org/v3 alone."""
    items = seed()
    service(items)["spec"]["externalIPs"] = ["203.0.113.1"]
    spec = {"serviceExternalIPs": [{"cidr": "203.0.113.0/24"}]}
    default = {"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration", "metadata": {"name": "default"}}
    report = etpguard("check", "-f", "-", "-o", "json", stdin=as_list([*items, {**default, "spec": spec}])).report
    assert not any("not read" in warning for warning in report["warnings"])
    assert "calico" in {consumer["controller"] for consumer in report["services"][0]["consumers"]}


def test_another_group_that_has_the_kind_name_is_no_service() -> None:
    items = [*seed(), {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "k"}}]
    run = etpguard("check", "-f", "-", "-o", "json", stdin=as_list(items))
    assert (run.report["warnings"], len(run.report["services"])) == ([], 1)


def test_the_api_servers_own_lists_name_no_kind_on_items() -> None:
    lists = []
    for kind in ("Node", "Service", "EndpointSlice", "Ingress", "IngressClass"):
        of_kind = [item for item in seed() if item["kind"] == kind]
        version = of_kind[0]["apiVersion"]
        for item in of_kind:
            del item["kind"], item["apiVersion"]
        lists.append(json.dumps({"kind": f"{kind}List", "apiVersion": version, "items": of_kind}))
    run = etpguard("check", "-f", "-", "-o", "json", stdin="\n".join(lists))
    assert run.report == etpguard("check", "-f", SEED, "-o", "json").report


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"kind": "List"}', id="JSON without items"),
        pytest.param('{"kind": "List", "items": null}', id="JSON with null for items"),
        pytest.param("kind: List", id="YAML without items"),
        pytest.param("kind: List\napiVersion: v1\nitems:", id="YAML with null for items"),
    ],
)
def test_an_empty_list_is_no_check(body: str) -> None:
    """kubectl prints an empty List if its credentials have expired."""
    assert failed(etpguard("check", "-f", "-", stdin=body)) == (
        "etpguard: stdin: nothing was checked, because there is no object that etpguard reads in the input; "
        "kubectl prints an empty List if it cannot log in"
    )


@pytest.mark.parametrize(
    ("version", "kind", "end"),
    [
        pytest.param("v1", "Secret", "in the input", id="a kind that no rule reads"),
        pytest.param(
            "networking.k8s.io/v1beta1",
            "Ingress",
            "in the input; ingresses of networking.k8s.io/v1beta1 are not read, only those of networking.k8s.io/"
            "v1",
            id="another version",
        ),
    ],
)
def test_objects_that_are_not_read_are_no_empty_list(version: str, kind: str, end: str) -> None:
    given = json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}})
    assert failed(etpguard("check", "-f", "-", stdin=given)) == (
        f"etpguard: stdin: nothing was checked, because there is no object that etpguard reads {end}"
    )


@pytest.mark.parametrize("type_", ["NodePort", "LoadBalancer"])
def test_a_manifest_without_node_ports_is_not_passed_over(type_: str) -> None:
    spec = {"type": type_, "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    metadata = {"name": "web", "namespace": "shop"}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    run = etpguard("check", "-f", "-", stdin=as_list([*seed(), manifest]))
    assert run.code == 0
    assert (
        "not judged, because no node port is set, as in a manifest: shop/web. `etpguard what-if apply" in run.err
    )


@pytest.mark.parametrize(
    ("kept", "lacking"),
    [
        pytest.param((), "no object that etpguard reads", id="nothing"),
        pytest.param(("Node",), "no Service", id="only Nodes"),
        pytest.param(("Ingress", "EndpointSlice"), "no Service", id="neither Nodes nor Services"),
    ],
)
def test_an_input_without_services_is_no_check(kept: tuple[str, ...], lacking: str) -> None:
    body = as_list([item for item in seed() if item["kind"] in kept])
    assert f"nothing was checked, because there is {lacking} in the input" in failed(
        etpguard("check", "-f", "-", stdin=body)
    )


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param("{}", "stdin: ", id="an empty object"),
        pytest.param("controller:\n  replicas: 1\n", "stdin: document 1: ", id="values of a chart"),
        pytest.param("Name: web\nType: NodePort\n", "stdin: document 1: ", id="kubectl describe"),
        pytest.param("error: Unauthorized\n", "stdin: document 1: ", id="the error of kubectl"),
    ],
)
def test_an_object_that_is_none_is_no_check(body: str, place: str) -> None:
    assert failed(etpguard("check", "-f", "-", stdin=body)).endswith(
        f"nothing was checked, because there is no Service in the input; {place}no kind; "
        "-f takes the output of `kubectl get -o json` or `-o yaml`"
    )


def test_strict_covers_kinds_that_are_not_in_the_input() -> None:
    body = as_list([item for item in seed() if item["kind"] in ("Service", "Node", "EndpointSlice")])
    assert etpguard("check", "-f", "-", stdin=body).code == 0
    line = failed(etpguard("check", "-f", "-", "--strict", stdin=body))
    assert line.startswith("etpguard: --strict: ingresses.networking.k8s.io could not be read")


def test_a_fault_of_the_program_does_not_pass_for_a_finding() -> None:
    script = (
        "import etpguard.cli.main as m; m.cli.main = lambda **_: 1 / 0; import etpguard.__main__ as p; p.program()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stderr


def test_files_with_credentials_do_not_outlive_the_command(tmp_path: Path) -> None:
    (kept := tmp_path / "kept").mkdir()
    data = base64.b64encode(ssl.DER_cert_to_PEM_cert(b"none").encode()).decode()
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": data}
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [{"name": "it", "cluster": cluster}],
                "users": [{"name": "it", "user": {"client-certificate-data": data, "client-key-data": data}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "current-context": "it",
            }
        )
    )
    assert etpguard("check", "--kubeconfig", kubeconfig, TMPDIR=str(kept)).code == 2
    assert list(kept.iterdir()) == []
