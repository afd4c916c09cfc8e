"""Answers of an API server in protobuf, made with the schema of etpguard."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from etpguard.objects import AnyKind
from etpguard.objects.protobuf import kubernetes_pb2 as pb


def answer(kind: AnyKind, *items: Message | bytes, version: str = "99", token: str = "") -> bytes:
    """A list of the kind. Bytes are an item as they are."""
    listed = pb.ObjectList(metadata={"resourceVersion": version, "continue": token})
    listed.items.extend(item if isinstance(item, bytes) else item.SerializeToString() for item in items)
    return envelope(f"{kind.name}List", listed)


def envelope(kind: str, content: Message) -> bytes:
    made = pb.ObjectListAnswer(typeMeta={"kind": kind}).SerializeToString()
    raw = content.SerializeToString()
    return b"k8s\0" + made + b"\x12" + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def node(name: str, version: str = "7", **status: Any) -> pb.Node:
    return pb.Node(metadata={"name": name, "uid": f"uid-{name}", "resourceVersion": version}, status=status)


def endpoint_slice(name: str, service: str, *nodes: str, version: str = "8") -> pb.EndpointSlice:
    labels = {"kubernetes.io/service-name": service} if service else {}
    meta = {"name": name, "namespace": "default", "uid": "u", "resourceVersion": version, "labels": labels}
    endpoints = [{"addresses": ["10.0.0.9"], "nodeName": node} for node in nodes]
    return pb.EndpointSlice(metadata=meta, addressType="IPv4", endpoints=endpoints, ports=[{"name": "http"}])
