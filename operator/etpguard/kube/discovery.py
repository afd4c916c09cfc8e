"""Which API versions and which kinds an API server serves."""

from __future__ import annotations

import msgspec

from etpguard.kube.connection import Connection
from etpguard.kube.errors import KubeError
from etpguard.kube.read_client import ReadClient
from etpguard.objects import AnyKind

TIMEOUT_SECONDS = 5.0
"""By default the server may take this long to accept a connection, and may be silent for this long."""


class _Version(msgspec.Struct, frozen=True):
    group_version: str = msgspec.field(name="groupVersion")


class _Group(msgspec.Struct, frozen=True):
    versions: list[_Version]


class _Groups(msgspec.Struct, frozen=True):
    """An APIGroupList."""

    groups: list[_Group]


class _Resource(msgspec.Struct, frozen=True):
    name: str


class _Resources(msgspec.Struct, frozen=True):
    """An APIResourceList."""

    resources: list[_Resource]


# Made here, not in the threads that read: see `objects.decode` on what msgspec learns of a type.
_groups = msgspec.json.Decoder(_Groups)
_resources = msgspec.json.Decoder(_Resources)


def served_versions(connection: Connection, timeout: float = TIMEOUT_SECONDS) -> frozenset[str] | None:
    """All versions of groups, as GROUP/VERSION, without those of the core group. None if they cannot be read: the
    lists then show which kinds are served. Blocks, and raises nothing.

    The list of groups has every group of a CustomResourceDefinition or APIService, also of one that does not
    answer now. Every user may read it.
    """
    try:
        client = ReadClient(connection, (timeout, timeout))
        try:
            answer = client.get("/apis", {})
        finally:
            client.close()
        if answer.status != 200:
            return None
        found = frozenset(v.group_version for group in _groups.decode(answer.body).groups for v in group.versions)
    except (KubeError, msgspec.MsgspecError, OSError, ValueError):
        return None
    return found or None


def serves(client: ReadClient, kind: AnyKind) -> bool:
    """Whether the kind exists; True if that cannot be known. A 403 for its objects does not show it, because the
    API server checks permission first. Every user may read discovery. Blocks, and raises what `client.get`
    raises."""
    answer = client.get(kind.path.rpartition("/")[0], {})
    try:
        resources = _resources.decode(answer.body).resources if answer.status == 200 else None
    except msgspec.MsgspecError:
        return True
    if resources is None:
        return answer.status != 404
    return any(resource.name == kind.plural for resource in resources)
