"""What the intake is given in its unit tests: objects, and the parts around the one under test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etpguard.kube.errors import NotServed
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


Script = list[list[Page[Any]] | Exception]


@dataclass
class ScriptedReader:
    """Answers lists with pages, or raises, as `answers` says by kind; the last answer repeats."""

    answers: dict[AnyKind, Script]
    listed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    before: Callable[[AnyKind], None] = lambda kind: None
    not_served: set[str] = field(default_factory=set)
    """API versions that a list finds not to be served."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> None:
        self.before(kind)
        with self._lock:
            self.listed.append(kind.name)
            if kind.api_version in self.not_served:
                raise NotServed(f"{kind.resource} is not served")
            script = self._script(kind)
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        for page in answer:
            on_page(page)

    def _script(self, kind: AnyKind) -> Script:
        """That of the kind in whatever API version."""
        return next(script for each, script in self.answers.items() if each.plural == kind.plural)

    def ask(self, kind: AnyKind) -> int:
        self.asked.append(kind.name)
        answer = self._script(kind)[0]
        if isinstance(answer, Exception):
            raise answer
        return answer[-1].version


def page(version: int, *items: Record) -> Page[Any]:
    return Page(list(items), [], version, "")
