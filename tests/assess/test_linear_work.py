"""The work of an assessment is linear in the objects, and so is that of its advice and of its rows on the page.
Ten times the size costs at most twelve times the work.

An object of the API has at most 1.5 MB, so linear work is bounded for every object. Work is counted, not
timed: lines executed in etpguard, and characters that string operations read in annotations.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from etpguard.assess import AllNodes, DataPlane, Engine, KnownDataPlane, Options, picture_for
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.families.aws_lbc import annotations as aws_annotations
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Touched
from etpguard.objects import Kind, Reject, decode_item
from etpguard.page.matrix import port_rows
from tests.assess.consumers.worlds import (
    NAMESPACE,
    Json,
    endpoints,
    ingress_class,
    nodes,
    service,
)

KUBE_PROXY = KnownDataPlane(DataPlane.KUBE_PROXY)
ALB, NLB = "alb.ingress.kubernetes.io/", "service.beta.kubernetes.io/aws-load-balancer-"
AWS_CLASS = ingress_class("alb", "ingress.k8s.aws/alb")


class Work:
    """What was counted."""

    def __init__(self) -> None:
        self.units = 0


_current = Work()


class Read(str):
    """A value of an annotation, each operation on which counts the characters that it reads."""

    __slots__ = ()

    def __getitem__(self, at: Any) -> str:
        found = super().__getitem__(at)
        _current.units += len(found)
        return Read(found)

    def __contains__(self, part: object) -> bool:
        _current.units += len(self)
        return super().__contains__(part)  # type: ignore[operator]

    def __hash__(self) -> int:
        return super().__hash__()


def _counting(name: str) -> Callable[..., Any]:
    plain = getattr(str, name)

    def counted(self: Read, *args: Any) -> Any:
        _current.units += len(self)
        found = plain(self, *args)
        if isinstance(found, str):
            return Read(found)
        if isinstance(found, list | tuple):
            return type(found)(Read(part) for part in found)
        return found

    return counted


for _name in (
    "strip",
    "rstrip",
    "lstrip",
    "split",
    "partition",
    "rpartition",
    "lower",
    "upper",
    "replace",
    "rfind",
):
    setattr(Read, _name, _counting(_name))


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Counts while the block runs, in etpguard's frames alone."""
    global _current
    work = _current = Work()

    def lines(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            work.units += 1
        return lines

    def calls(frame: FrameType, event: str, arg: object) -> Any:
        return lines if "/etpguard/" in frame.f_code.co_filename else None

    def loads(text: str) -> Any:
        work.units += len(text)
        return json.loads(text)

    monkeypatch.setattr(aws_annotations, "json", type("Json", (), {"loads": staticmethod(loads)}))
    before = sys.gettrace()
    sys.settrace(calls)
    try:
        yield work
    finally:
        sys.settrace(before)
        monkeypatch.undo()


def work_of(
    objects: list[Json],
    monkeypatch: pytest.MonkeyPatch,
    plane: KnownDataPlane = KUBE_PROXY,
) -> int:
    """Of taking the objects into a picture, assessing all Services and showing them, after the decoding. All nodes
    have that data plane."""
    families = consumer_families()
    picture = picture_for(families)
    engine, advisor = Engine(picture, families, Options(AllNodes(plane))), Advisor(picture, families)
    kinds: dict[str, Kind[Any]] = {kind.name: kind for kind in picture.kinds}
    entries = []
    for raw in objects:
        entry = decode_item(kinds[raw["kind"]], raw)
        if not isinstance(entry, Reject):
            written = getattr(entry.metadata, "annotations", None) or {}
            written.update({key: Read(value) for key, value in written.items()})
        entries.append((kinds[raw["kind"]], entry))
    with counted(monkeypatch) as work:
        touched = Touched()
        for kind, entry in entries:
            touched.add(picture.absorb(picture.store(kind).replace([entry])))
        engine.refresh(touched)
        for assessment in engine.assessments.values():
            advisor(assessment)
            port_rows(assessment)
    assert engine.assessments
    failed = [v for a in engine.assessments.values() for v in a.consumers if v.reason.code == "FamilyFailed"]
    assert not failed
    return work.units


def ports(count: int) -> list[Json]:
    return [{"name": f"p{i}", "port": 1000 + i, "nodePort": 20000 + i} for i in range(count)]


def nlb(count: int, **annotations: str) -> list[Json]:
    """A Service of `count` ports with an NLB and these annotations."""
    keys = {f"{NLB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    subject = service(annotations=keys, loadBalancerClass="service.k8s.aws/nlb", ports=ports(count))
    return [subject, endpoints("a"), *nodes("aws")]


def cloud(scheme: str, count: int, annotations: dict[str, str], **fields: Any) -> list[Json]:
    return [service(annotations=annotations, ports=ports(count), **fields), endpoints("a"), *nodes(scheme)]


def path(name: str = "web", port: Json | None = None) -> Json:
    return {"path": "/", "backend": {"service": {"name": name, "port": port or {"number": 80}}}}


def ingress(paths: list[Json], name: str = "shop", class_name: str = "alb", **annotations: str) -> Json:
    keys = {f"{ALB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": keys},
        "spec": {"ingressClassName": class_name, "rules": [{"http": {"paths": paths}}]},
    }


def behind(*ingresses: Json, count: int = 1, **fields: Any) -> list[Json]:
    subject = service(type="NodePort", ports=ports(count) if count > 1 else [], **fields)
    return [subject, endpoints("a"), AWS_CLASS, *ingresses, *nodes("aws")]


def many_services(count: int, class_name: str = "alb") -> list[Json]:
    names = [f"s{i}" for i in range(count)]
    members = [
        service(name, type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 20000 + i}])
        for i, name in enumerate(names)
    ]
    return [
        *members,
        *(endpoints("a", of=name) for name in names),
        AWS_CLASS,
        *nodes("aws"),
        (ingress([path(name) for name in names for _ in range(3)], class_name=class_name)),
    ]


def group(count: int) -> list[Json]:
    """Ingresses of one group, each to the same Service and each with a redirect."""
    members = [
        ingress(
            [path()],
            f"i{i}",
            group_name="shared",
            listen_ports='[{"HTTP": 80}, {"HTTPS": 443}]',
            ssl_redirect="443",
        )
        for i in range(count)
    ]
    return behind(*members)


def condition(size: int) -> str:
    values = [f"host-{i}.example.com" for i in range(size)]
    return json.dumps([{"field": "host-header", "hostHeaderConfig": {"values": values}}])


def action(size: int) -> str:
    groups = [{"serviceName": f"s{i}", "servicePort": 80, "weight": 1} for i in range(size)]
    return json.dumps({"type": "forward", "forwardConfig": {"targetGroups": groups}})


def listener_actions(count: int) -> list[Json]:
    made = nlb(count)
    made[0]["metadata"]["annotations"] |= {
        f"service.beta.kubernetes.io/actions.TCP-{1000 + i}": json.dumps(
            {"type": "forward", "forwardConfig": {"targetGroups": [{"serviceName": "b", "servicePort": 80}]}}
        )
        for i in range(count)
    }
    return made


def bindings(count: int) -> list[Json]:
    """A TargetGroupBinding for each of the Service's ports, made for its NLB."""
    labels = {"service.k8s.aws/stack-namespace": NAMESPACE, "service.k8s.aws/stack-name": "web"}
    made = [
        {
            "kind": "TargetGroupBinding",
            "metadata": {"name": f"b{i}", "namespace": NAMESPACE, "labels": labels},
            "spec": {"targetType": "instance", "serviceRef": {"name": "web", "port": 1000 + i}},
        }
        for i in range(count)
    ]
    return [*nlb(count), *made]


def gateway(count: int) -> list[Json]:
    """A Gateway's bindings for each port, and a configuration with as many routes and attributes."""
    labels = {"gateway.k8s.aws.nlb/stack-namespace": NAMESPACE, "gateway.k8s.aws.nlb/stack-name": "gw"}
    made = [
        {
            "kind": "TargetGroupBinding",
            "metadata": {"name": f"b{i}", "namespace": NAMESPACE, "labels": labels},
            "spec": {"targetType": "instance", "serviceRef": {"name": "web", "port": 1000 + i}},
        }
        for i in range(count)
    ]
    props = {"targetGroupAttributes": [{"key": f"k{i}", "value": "v"} for i in range(count)]}
    configuration = {
        "kind": "TargetGroupConfiguration",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"targetReference": {"name": "web"}, "defaultConfiguration": props},
    }
    return [service(type="NodePort", ports=ports(count)), endpoints("a"), configuration, *made, *nodes("aws")]


def neg(count: int) -> list[Json]:
    backend_config = json.dumps({"ports": {f"p{i}": f"c{i}" for i in range(count)}})
    subject = service(
        type="NodePort", ports=ports(count), annotations={"cloud.google.com/backend-config": backend_config}
    )
    made = ingress([path(port={"number": 1000 + i}) for i in range(count)], class_name="gce")
    return [subject, endpoints("a"), ingress_class("gce", "ingress-gce"), made, *nodes("gce")]


def azure(count: int) -> list[Json]:
    prefix = "service.beta.kubernetes.io/port_"
    return cloud("azure", count, {f"{prefix}{1000 + i}_health-probe_port": f"P{i}" for i in range(count)})


def metallb(count: int) -> list[Json]:
    addresses = [{"ip": f"10.0.{i // 250}.{i % 250}"} for i in range(count)]
    return cloud("", count, {"metallb.io/ip-allocated-from-pool": "x"}, ingress=addresses)


def rejected(count: int) -> list[Json]:
    """Services beside as many EndpointSlices that cannot be read."""
    bad: list[Json] = [
        {
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"bad{i}",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": f"s{i}"},
            },
            "endpoints": 7,
        }
        for i in range(count)
    ]
    return [*many_services(count)[: 2 * count], *bad, *nodes("")]


CASES: dict[str, tuple[int, Callable[[int], list[Json]]]] = {
    "NLB: commas before a pair": (1000, lambda n: nlb(2, target_node_labels="," * n + "a=b")),
    "NLB: ports and pairs": (30, lambda n: nlb(n, target_node_labels=",".join(f"k{i}=v" for i in range(n)))),
    "NLB: ports and unknown annotations": (30, lambda n: nlb(n, **{f"unknown_{i}": "" for i in range(n)})),
    "NLB: ports and attributes": (
        30,
        lambda n: nlb(n, target_group_attributes=",".join(f"k{i}=v" for i in range(n))),
    ),
    "NLB: ports and listed TLS ports": (
        30,
        lambda n: nlb(n, ssl_cert="arn", ssl_ports=",".join(str(1000 + i) for i in range(n))),
    ),
    "NLB: ports and listed PROXY ports": (
        30,
        lambda n: nlb(n, proxy_protocol_per_target_group=",".join(str(1000 + i) for i in range(n))),
    ),
    "NLB: ports and success codes": (
        30,
        lambda n: nlb(n, healthcheck_protocol="HTTP", healthcheck_success_codes=",".join(["200"] * n)),
    ),
    "NLB: ports and a long path": (30, lambda n: nlb(n, healthcheck_path="/" * n)),
    "NLB: ports with an action each": (30, listener_actions),
    "NLB: a binding for each port": (30, bindings),
    "Gateway: ports and attributes": (25, gateway),
    "ALB: paths to many Services": (20, many_services),
    "ALB: paths to one Service, with conditions": (
        60,
        lambda n: behind(ingress([path() for _ in range(n)], **{"conditions.web": condition(n // 2)})),
    ),
    "ALB: paths with one action of many targets": (
        40,
        lambda n: behind(
            ingress([path("act", {"name": "use-annotation"}) for _ in range(n)], **{"actions.act": action(n // 2)})
        ),
    ),
    "ALB: paths to as many ports": (
        30,
        lambda n: behind(ingress([path(port={"number": 1000 + i}) for i in range(n)]), count=n),
    ),
    "ALB: ports and labels of nodes": (
        30,
        lambda n: behind(
            ingress(
                [path(port={"number": 1000 + i}) for i in range(n)],
                target_node_labels=",".join(f"k{i}=v" for i in range(n)),
            ),
            count=n,
        ),
    ),
    "ALB: members of a group": (20, group),
    "in-cluster proxy: paths to many Services": (20, lambda n: many_services(n, "nginx")),
    "GKE: ports and a BackendConfig each": (30, neg),
    "Azure: ports with a probe each": (30, azure),
    "AWS cloud provider: ports and attributes": (
        30,
        lambda n: cloud(
            "aws",
            n,
            {f"{NLB}type": "nlb", f"{NLB}target-group-attributes": ",".join(f"k{i}=v" for i in range(n))},
        ),
    ),
    "AWS cloud provider: ports and labels": (
        30,
        lambda n: cloud("aws", n, {f"{NLB}target-node-labels": ",".join(f"k{i}=v" for i in range(n))}),
    ),
    "OpenStack: ports and unknown annotations": (
        30,
        lambda n: cloud("openstack", n, {f"loadbalancer.openstack.org/unknown-{i}": "" for i in range(n)}),
    ),
    "OpenStack: ports and labels": (
        30,
        lambda n: cloud(
            "openstack", n, {"loadbalancer.openstack.org/node-selector": ",".join(f"k{i}=v" for i in range(n))}
        ),
    ),
    "Oracle Cloud: ports and labels": (
        30,
        lambda n: cloud(
            "oci", n, {"oci.oraclecloud.com/node-label-selector": ",".join(f"k{i}=v" for i in range(n))}
        ),
    ),
    "Alibaba Cloud: ports and labels": (
        30,
        lambda n: cloud(
            "alicloud",
            n,
            {"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-backend-label": ",".join(["k=v"] * n)},
        ),
    ),
    "MetalLB: ports and addresses": (30, metallb),
    "unreadable EndpointSlices": (20, rejected),
}


@pytest.mark.parametrize("name", CASES)
def test_ten_times_the_size_is_at_most_twelve_times_the_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size, objects = CASES[name]
    small, large = work_of(objects(size), monkeypatch), work_of(objects(10 * size), monkeypatch)
    assert large <= 12 * small, f"{small} units at {size}, {large} at {10 * size}"


@pytest.mark.parametrize(
    "plane",
    [
        *(KnownDataPlane(each) for each in DataPlane),
        KnownDataPlane(DataPlane.CILIUM, version="v1.17.2", settings=()),
        KnownDataPlane(DataPlane.CALICO_EBPF, version="v3.32.1", settings=()),
    ],
    ids=lambda plane: f"{plane.name.value} {plane.version}".strip(),
)
def test_endpoints_and_ports_of_a_slice(plane: KnownDataPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    def objects(count: int) -> list[Json]:
        slice_ = endpoints(*(f"n{i}" for i in range(count)), ports=[f"p{i}" for i in range(count)])
        for each in slice_["endpoints"]:
            each["hints"] = {"forZones": [{"name": "x"}]}
        subject = service(type="NodePort", ports=ports(count), internalTrafficPolicy="Local")
        return [subject, slice_, *nodes("")]

    small, large = work_of(objects(20), monkeypatch, plane), work_of(objects(200), monkeypatch, plane)
    assert large <= 12 * small, f"{small} units at 20, {large} at 200"
