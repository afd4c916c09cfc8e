"""Requests to the API server as plain data: the wire form of each verb. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etpguard.objects import AnyKind, Key

FIELD_MANAGER = "etpguard"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """RBAC decides on `verb` and `resource`, for example "patch" and "servicecoverages.etpguard.dev/status"."""

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
) -> Request:
    """Server-side apply, with force. The server removes the fields that `manager` owns and `body` leaves out.

    `body` holds everything but apiVersion, kind, name and namespace. With `uid` or `version` the server answers
    409 for an object of another uid or resourceVersion.
    """
    named = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    pinned = ({"uid": uid} if uid else {}) | ({"resourceVersion": version} if version else {})
    metadata = {**(body.get("metadata") or {}), **named, **pinned}
    whole = {**body, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
    query = [("fieldManager", manager), ("force", "true")]
    return _request("patch", "PATCH", kind, key, subresource, query, whole, "application/apply-patch+yaml")


def json_patch(
    kind: AnyKind,
    key: Key,
    operations: Sequence[Mapping[str, Any]],
    *,
    subresource: str = "",
    manager: str = FIELD_MANAGER,
) -> Request:
    """RFC 6902. The server answers 422 for a failed `test`, also for a `test` of a stale resourceVersion."""
    body = [dict(operation) for operation in operations]
    query = [("fieldManager", manager)]
    return _request("patch", "PATCH", kind, key, subresource, query, body, "application/json-patch+json")


def merge_patch(kind: AnyKind, key: Key, body: Mapping[str, Any]) -> Request:
    """RFC 7386: a list in `body` replaces the whole list."""
    query = [("fieldManager", FIELD_MANAGER)]
    return _request("patch", "PATCH", kind, key, "", query, dict(body), "application/merge-patch+json")


def create(kind: AnyKind, key: Key, body: Mapping[str, Any]) -> Request:
    """POST. The name of the object is that in `body`; `key.name` only appears in messages."""
    query = (("fieldManager", FIELD_MANAGER),)
    path = kind.path_in(key.namespace)
    return Request("create", kind.resource, key.namespace, key.name, "POST", path, query, dict(body))


def delete(kind: AnyKind, key: Key, *, uid: str = "", version: str = "") -> Request:
    """DELETE. With `uid` or `version` the server answers 409 for an object of another uid or resourceVersion."""
    pinned = ({"uid": uid} if uid else {}) | ({"resourceVersion": version} if version else {})
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": pinned} if pinned else None
    return _request("delete", "DELETE", kind, key, "", [], body, "application/json")


def dry_run(request: Request) -> Request:
    """The same write as a dry run: the server checks it and stores nothing."""
    if request.verb == "delete" and request.body:
        # With a body the server ignores the query: k8s.io/apiserver 1.37 endpoints/handlers/delete.go.
        return replace(request, body={**request.body, "dryRun": ["All"]})
    return replace(request, query=(*request.query, ("dryRun", "All")))


def get(kind: AnyKind, key: Key) -> Request:
    return _request("get", "GET", kind, key, "", [], None, "application/json")


def list_page(
    kind: AnyKind,
    *,
    namespace: str = "",
    limit: int = 500,
    token: str = "",
    field_selector: str = "",
    label_selector: str = "",
) -> Request:
    """One page of a list, for one namespace or, with "", for all. `token` is the continue token of the previous
    page."""
    query = [
        ("limit", str(limit)),
        ("continue", token),
        ("fieldSelector", field_selector),
        ("labelSelector", label_selector),
    ]
    given = tuple((name, value) for name, value in query if value)
    return Request("list", kind.resource, namespace, "", "GET", kind.path_in(namespace), given)


def _request(
    verb: str,
    method: str,
    kind: AnyKind,
    key: Key,
    subresource: str,
    query: Sequence[tuple[str, str]],
    body: Any,
    content_type: str,
) -> Request:
    path = kind.path_of(key)
    resource = f"{kind.resource}/{subresource}" if subresource else kind.resource
    return Request(
        verb,
        resource,
        key.namespace,
        key.name,
        method,
        f"{path}/{subresource}" if subresource else path,
        tuple(query),
        body,
        content_type,
    )
