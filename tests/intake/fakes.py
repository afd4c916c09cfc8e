"""What the intake is given in its unit tests: objects, and the parts around the one under test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Held, Page, Record, decode_item


def node(name: str, version: int, *, ready: str = "True", uid: str = "") -> Record:
    raw = {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    made = decode_item(NODE, raw)
    assert isinstance(made, Record)
    return made


def service(
    name: str,
    version: int,
    *,
    policy: str = "Local",
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
) -> Record:
    raw = {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": dict(labels or {}),
        },
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.96.0.1",
            "externalTrafficPolicy": policy,
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        },
    }
    made = decode_item(SERVICE, raw)
    assert isinstance(made, Record)
    return made


def endpoint_slice(name: str, of: str, nodes: Iterable[str], version: int, namespace: str = "default") -> Record:
    raw = {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "resourceVersion": str(version),
            "labels": {"kubernetes.io/service-name": of},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [f"10.0.0.{i}"], "nodeName": n} for i, n in enumerate(nodes, 1)],
    }
    made = decode_item(ENDPOINT_SLICE, raw)
    assert isinstance(made, Record)
    return made


@dataclass
class ScriptedReader:
    """Answers lists with pages, or raises, as `answers` says by kind; the last answer repeats."""

    answers: dict[AnyKind, list[list[Page[Any]] | Exception]]
    listed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    before: Callable[[AnyKind], None] = lambda kind: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> None:
        self.before(kind)
        with self._lock:
            self.listed.append(kind.name)
            script = self.answers[kind]
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        for page in answer:
            on_page(page)

    def ask(self, kind: AnyKind) -> int:
        self.asked.append(kind.name)
        answer = self.answers[kind][0]
        if isinstance(answer, Exception):
            raise answer
        return answer[-1].version


def page(version: int, *items: Record) -> Page[Any]:
    return Page(list(items), [], version, "")
