"""Requests to the API server as plain data: how each verb is put on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from etpguard.objects import AnyKind, Key

FIELD_MANAGER = "etpguard"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """`verb` and `resource` (such as "servicecoverages.etpguard.dev/status") are what RBAC decides on."""

    verb: str
    resource: str
    namespace: str
    name: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.verb} {self.resource} {where}".rstrip()


def apply(
    kind: AnyKind,
    key: Key,
    body: Mapping[str, Any],
    *,
    subresource: str = "",
    uid: str = "",
    version: str = "",
    manager: str = FIELD_MANAGER,
    dry_run: bool = False,
) -> Request:
    """Server-side apply, with force. What `manager` owned and `body` leaves out is removed.

    `body` holds what goes beside apiVersion, kind and metadata (its own `metadata` is merged in). With `uid`
    or `version` the server answers 409 for an object of another uid or resourceVersion.
    """
    named = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    pinned = ({"uid": uid} if uid else {}) | ({"resourceVersion": version} if version else {})
    metadata = {**(body.get("metadata") or {}), **named, **pinned}
    whole = {**body, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    query = [("fieldManager", manager), ("force", "true")]
    return _request(
        "patch", "PATCH", kind, key, subresource, query, whole, "application/apply-patch+yaml", dry_run
    )


def json_patch(
    kind: AnyKind,
    key: Key,
    operations: Sequence[Mapping[str, Any]],
    *,
    subresource: str = "",
    manager: str = FIELD_MANAGER,
    dry_run: bool = False,
) -> Request:
    """RFC 6902. A failed `test` is answered 422, a stale resourceVersion in it too."""
    body = [dict(operation) for operation in operations]
    query = [("fieldManager", manager)]
    return _request("patch", "PATCH", kind, key, subresource, query, body, "application/json-patch+json", dry_run)


def merge_patch(
    kind: AnyKind, key: Key, body: Mapping[str, Any], *, subresource: str = "", manager: str = FIELD_MANAGER
) -> Request:
    """RFC 7386: lists are replaced whole."""
    query = [("fieldManager", manager)]
    content = "application/merge-patch+json"
    return _request("patch", "PATCH", kind, key, subresource, query, dict(body), content, False)


def create(kind: AnyKind, key: Key, body: Mapping[str, Any], *, manager: str = FIELD_MANAGER) -> Request:
    """POST. `key.name` is for words only: the object's name is the body's."""
    query = (("fieldManager", manager),)
    path = collection(kind, key.namespace)
    return Request("create", kind.resource, key.namespace, key.name, "POST", path, query, dict(body))


def delete(kind: AnyKind, key: Key, *, uid: str = "", version: str = "") -> Request:
    """DELETE; 409 unless it is still that uid and that resourceVersion."""
    pinned = ({"uid": uid} if uid else {}) | ({"resourceVersion": version} if version else {})
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": pinned} if pinned else None
    return _request("delete", "DELETE", kind, key, "", [], body, "application/json", False)


def dry_run(request: Request) -> Request:
    """The same write, of which the server stores nothing."""
    if request.verb == "delete" and request.body:
        # A body takes the place of the query: k8s.io/apiserver 1.37 endpoints/handlers/delete.go.
        return replace(request, body={**request.body, "dryRun": ["All"]})
    return replace(request, query=(*request.query, ("dryRun", "All")))


def get(kind: AnyKind, key: Key) -> Request:
    return _request("get", "GET", kind, key, "", [], None, "application/json", False)


def list_page(
    kind: AnyKind,
    *,
    namespace: str = "",
    limit: int = 500,
    token: str = "",
    field_selector: str = "",
    label_selector: str = "",
) -> Request:
    """One page of a list over one namespace, or over all with ""."""
    query = [
        ("limit", str(limit)),
        ("continue", token),
        ("fieldSelector", field_selector),
        ("labelSelector", label_selector),
    ]
    path = collection(kind, namespace)
    given = tuple((name, value) for name, value in query if value)
    return Request("list", kind.resource, namespace, "", "GET", path, given)


def collection(kind: AnyKind, namespace: str) -> str:
    """The path of a kind's objects, in one namespace or, with "", in all."""
    if not namespace:
        return kind.path
    root, _, plural = kind.path.rpartition("/")
    return f"{root}/namespaces/{quote(namespace, safe='')}/{plural}"


def _request(
    verb: str,
    method: str,
    kind: AnyKind,
    key: Key,
    subresource: str,
    query: Sequence[tuple[str, str]],
    body: Any,
    content_type: str,
    dry_run: bool,
) -> Request:
    path = f"{collection(kind, key.namespace)}/{quote(key.name, safe='')}"
    resource = f"{kind.resource}/{subresource}" if subresource else kind.resource
    return Request(
        verb,
        resource,
        key.namespace,
        key.name,
        method,
        f"{path}/{subresource}" if subresource else path,
        (*query, ("dryRun", "All")) if dry_run else tuple(query),
        body,
        content_type,
    )
