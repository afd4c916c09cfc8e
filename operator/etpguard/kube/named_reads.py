"""Reads the objects that show the data plane: each by its name, and the configurations of single nodes by
`list`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from etpguard.kube.connection import Connection
from etpguard.kube.discovery import serves
from etpguard.kube.errors import ApiError, Forbidden, KubeError, Status, Unreachable
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.kube.read_client import ReadClient, Response
from etpguard.objects import AnyKind, Reject, decode_item
from etpguard.objects.named import NAMED_OBJECTS, Listed, NamedObject, NamedObjects
from etpguard.objects.text import describe

TIMEOUT_SECONDS = 10.0
"""Seconds that the server may take to accept a connection, and may be silent."""

Result = Any | KubeError | None
"""A record or a `Listed`, why there is none, or None for an object that does not exist."""


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


def read_named(
    connection: Connection,
    which: Sequence[NamedObject] = NAMED_OBJECTS,
    *,
    timeout: float = TIMEOUT_SECONDS,
    on_request: OnRequest = uncounted,
) -> dict[NamedObject, Result]:
    """Read these objects one after the other, through one connection. Blocks, and raises no KubeError.

    After a request without an answer, the other requests are not sent: each would fail in the same way after a
    time-out.
    """
    reads = _Reads(connection, timeout, on_request)
    found: dict[NamedObject, Result] = {}
    try:
        for named in which:
            found[named] = reads.read(named)
            if isinstance(error := found[named], Unreachable):
                return found | {other: error for other in which if other not in found}
        return found
    finally:
        reads.close()


def may_pass(result: Result) -> bool:
    """Whether the object could not be read for a reason that may pass. 401 is one: an API server answers it while
    its own authentication fails."""
    lasts = isinstance(result, ApiError) and not result.transient and result.status != 401
    return isinstance(result, KubeError) and not lasts


def merged(before: Mapping[NamedObject, Result], now: Mapping[NamedObject, Result]) -> dict[NamedObject, Result]:
    """The results of two reads: what could not be read now, for a reason that may pass, is as before."""
    return {**before, **{named: now[named] for named in now if named not in before or not may_pass(now[named])}}


def named_objects(results: Mapping[NamedObject, Result]) -> NamedObjects:
    """The objects for the rules."""
    unread = {named: str(result) for named, result in results.items() if isinstance(result, KubeError)}
    found = {named: each for named, each in results.items() if each is not None and named not in unread}
    return NamedObjects(found, unread)


class _Reads:
    def __init__(self, connection: Connection, timeout: float, on_request: OnRequest) -> None:
        self._connection = connection
        self._client = ReadClient(connection, (timeout, timeout))
        self._on_request = on_request
        self._served: dict[AnyKind, bool] = {}

    def close(self) -> None:
        self._client.close()

    def read(self, named: NamedObject) -> Result:
        try:
            return self._read(named)
        except KubeError as error:
            return error
        except Exception as error:  # any fault fails only this read, which is tried again
            return Unreachable(f"cannot read {named}: {describe(error)}")

    def _read(self, named: NamedObject) -> Result:
        answer = self._get(named)
        if answer.status == 401:
            self._client.close()
            self._connection.forget()
            answer = self._get(named)
        status, body = answer.status, answer.body
        if status == 404 or (status == 403 and not self._is_served(named)):
            return None
        if status != 200:
            message = Status.of(body).message or "(empty answer)"
            if status == 403:
                return Forbidden(f"may not read {named}: {message}")
            why = f"cannot read {named}: {message}"
            return ApiError(status, Status.of(body).reason, why, answer.retry_after)
        if named.is_list:
            return _listed(named, body)
        decoded = decode_item(named.kind, body)
        if isinstance(decoded, Reject):
            return ApiError(status, "Malformed", decoded.message)
        return decoded

    def _get(self, named: NamedObject) -> Response:
        status = 0
        try:
            answer = self._client.get(named.path, {})
            status = answer.status
        finally:
            self._on_request("list" if named.is_list else "get", named.kind.resource, status)
        return answer

    def _is_served(self, named: NamedObject) -> bool:
        """As `serves`, with one request for all objects of a kind."""
        kind = named.kind
        if kind not in self._served:
            self._served[kind] = serves(self._client, kind)
        return self._served[kind]


def _listed(named: NamedObject, body: bytes) -> Result:
    """An object that cannot be decoded may be for any node, so the whole list then counts as not read."""
    try:
        items = msgspec.json.decode(body, type=_List).items or []
    except msgspec.DecodeError as error:
        return ApiError(200, "Malformed", f"{named}: {error}")
    decoded = [decode_item(named.kind, bytes(item)) for item in items]
    for each in decoded:
        if isinstance(each, Reject):
            return ApiError(200, "Malformed", each.message)
    return Listed.of(decoded)
