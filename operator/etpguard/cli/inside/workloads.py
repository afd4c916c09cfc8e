"""Read Pods and workloads after the assessment, and only for nodes whose clients fail.

A check of a cluster without such a node reads none of them.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.sources import Assessed, connect
from etpguard.cluster import Picture
from etpguard.objects import AnyKind, Record, Reject
from etpguard.objects.pod_controllers import CONTROLLER_KINDS
from etpguard.objects.pods import POD

if TYPE_CHECKING:
    from etpguard.kube.connection import Connection

KINDS: tuple[AnyKind, ...] = (POD, *CONTROLLER_KINDS)
FEW_NODES = 20
"""For up to this number of nodes, the Pods of each node are listed one by one. For more nodes, all Pods of the
cluster are listed."""
_TOGETHER = 4

Entries = list[Record | Reject]


@dataclass(frozen=True)
class Found:
    """What was read. A kind that cannot be read is in `picture.unread`. `elsewhere` says why the Pods of other
    namespaces than those of the Services are not known; "" if they are."""

    picture: Picture
    elsewhere: str = ""


def workloads(assessed: Assessed, namespaces: Collection[str], nodes: Collection[str]) -> Found:
    """The workloads and the Pods in these namespaces, and all Pods on these nodes."""
    picture = assessed.loaded.picture
    if POD not in picture.kinds:
        if not assessed.sources.files:
            return _from_cluster(assessed, sorted(namespaces), sorted(nodes))
        picture = _from_files(assessed)
    return Found(picture, picture.why_unknown(POD) or "")


def _from_files(assessed: Assessed) -> Picture:
    from etpguard.cli.input import files

    picture = Picture(KINDS)
    loaded = Loaded(picture, live=False, where=assessed.loaded.where, stdin=assessed.loaded.stdin)
    files.load(loaded, assessed.sources.files)
    known = set(assessed.loaded.malformed)
    assessed.loaded.malformed += [line for line in loaded.malformed if line not in known]
    return picture


def _from_cluster(assessed: Assessed, namespaces: list[str], nodes: list[str]) -> Found:
    from etpguard.kube.errors import KubeError

    picture = Picture(KINDS)
    settings = assessed.sources.settings
    try:
        connection = connect(settings)
    except KubeError as error:
        picture.unread |= dict.fromkeys(KINDS, str(error))
        return Found(picture, str(error))
    with ThreadPoolExecutor(_TOGETHER) as pool:
        reader = _Reader(connection, settings.request_timeout)
        asked = {kind: pool.submit(reader.in_namespaces, kind, namespaces) for kind in KINDS}
        on_nodes = pool.submit(reader.pods_on, nodes)
        for kind, result in asked.items():
            if why := _take(picture, kind, result):
                picture.unread[kind] = why
        return Found(picture, _take(picture, POD, on_nodes))


def _take(picture: Picture, kind: AnyKind, result: Future[Entries]) -> str:
    """Put the objects into the picture. Returns why they could not be read, or ""."""
    from etpguard.kube.errors import KubeError

    try:
        picture.absorb(picture.store(kind).replace(result.result()))
    except KubeError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _Reader:
    """Lists of one cluster. `timeout` is how long the API server may be silent, in seconds."""

    connection: Connection
    timeout: float

    def in_namespaces(self, kind: AnyKind, namespaces: list[str]) -> Entries:
        return [entry for each in namespaces for entry in self._list(kind, namespace=each)]

    def pods_on(self, nodes: list[str]) -> Entries:
        if len(nodes) > FEW_NODES:
            return self._list(POD)
        return [each for node in nodes for each in self._list(POD, field_selector=f"spec.nodeName={node}")]

    def _list(self, kind: AnyKind, *, namespace: str = "", field_selector: str = "") -> Entries:
        from etpguard.kube.lists import list_kind

        found = list_kind(
            self.connection, kind, namespace=namespace, field_selector=field_selector, timeout=self.timeout
        )
        return [*found.items, *found.rejects]
