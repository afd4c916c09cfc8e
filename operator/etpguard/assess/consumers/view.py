"""What consumer families read of the picture. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from etpguard.assess.consumers.targets import CheckSettings, HealthCheck
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.assess.probe import (
    KUBE_PROXY_HEALTHZ_PORT,
    AnswersEverywhere,
    KubeProxyHealthz,
    NotModelled,
    OtherNodePort,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from etpguard.cluster.picture import Picture
from etpguard.objects import Key, Kind, Record, Service

R = TypeVar("R", bound=Record)
A = TypeVar("A", bound=Record | None)
T = TypeVar("T")


def is_ok(status: int) -> bool:
    """What most health checks take for a success."""
    return status == 200


class View:
    """Read access of the families to the picture."""

    def __init__(
        self,
        picture: Picture,
        answers_everywhere: Iterable[int] = (),
        platforms: Callable[[], frozenset[str]] = frozenset,
        planes: Callable[[], NodePlanes] | None = None,
        *,
        unread_is_unknown: bool = True,
    ) -> None:
        self._picture = picture
        self._answers_everywhere = frozenset(answers_everywhere)
        self._platforms = platforms
        self._planes = planes
        self.unread_is_unknown = unread_is_unknown
        """Whether a kind that cannot be read may have objects, as on a live cluster. Files hold all objects."""
        self.missed: set[Kind[Any]] = set()
        """Kinds that a family asked for with `unseen` and that were not read: their objects could change the
        outcome."""
        self._computed: dict[tuple[object, ...], tuple[tuple[Record | None, ...], Any]] = {}

    @property
    def platforms(self) -> frozenset[str]:
        """The clouds and distributions of the nodes; see `assess.platforms`. The engine finds all consumers again
        when they change."""
        return self._platforms()

    @property
    def planes(self) -> NodePlanes | None:
        """The data planes of the nodes; None if they were not detected. The engine finds all consumers again when
        there are others, not when only their nodes change."""
        return self._planes() if self._planes else None

    def get(self, kind: Kind[R], key: Key) -> R | None:
        return self._picture.get(kind, key)

    def all(self, kind: Kind[R]) -> Iterable[R]:
        return self._picture.store(kind)

    def has(self, kind: Kind[Any]) -> bool:
        """Whether any object of this kind was read; False for a kind that no family reads."""
        return kind in self._picture.kinds and len(self._picture.store(kind)) > 0

    def referring(self, kind: Kind[R], service: Key) -> list[R]:
        return self._picture.referring(kind, service)

    def any_refers(self, kind: Kind[Any], key: Key) -> bool:
        """Whether any object of this kind refers to that key of the index."""
        return self._picture.is_referred_to(kind, key)

    def unread(self, kind: Kind[Any]) -> str | None:
        """Why objects of this kind, or one of them, cannot be read. None also for a CRD that is absent: there are
        no objects."""
        return self._picture.incomplete(kind)

    def hidden(self, kind: Kind[Any]) -> str | None:
        """Why there may be objects of this kind although nothing refers to one: they cannot be read. None for a
        kind that a setting switches off, and for one that was not listed: most clusters have none of its
        objects."""
        return None if kind in self._picture.switched_off else self.unread(kind)

    def unseen(self, kind: Kind[Any]) -> str | None:
        """Why the picture may lack objects of this kind: they cannot be read, or were not listed. None: the
        picture has all of them, so the absence of an object means something."""
        unlisted = self._picture.unlisted.get(kind)
        if unlisted:
            self.missed.add(kind)
        return self.unread(kind) or unlisted

    def once(self, name: str, record: A, compute: Callable[[A], T], *others: Record | None) -> T:
        """`compute(record)`, computed once for these records until the picture changes. An exception is kept and
        raised again too. `name` names the computation; `others` are further records that it depends on."""
        records = (record, *others)
        key = (name, *map(id, records))
        if key not in self._computed:
            # The records are kept with the result, so that no other record gets the same id.
            self._computed[key] = (records, _outcome(compute, record))
        result = self._computed[key][1]
        if isinstance(result, _Raised):
            raise result.error.with_traceback(None)
        return cast("T", result)

    def forget(self) -> None:
        """Drop what `once` keeps; the engine calls it before it assesses a changed picture."""
        self._computed.clear()

    def check_on(
        self,
        number: int,
        service: Service,
        settings: CheckSettings | None,
        accepts: Callable[[int], bool] = is_ok,
    ) -> HealthCheck:
        """The health check of port `number` of each node.

        Health checks use TCP, and each protocol may have its own holder of a number: a UDP port does not answer.
        The caller handles the healthCheckNodePort, whose answer depends on the protocol of the check. `accepts`
        says whether an HTTP status is a success.
        """
        probe, owners = self._answering(number, service)
        if settings and isinstance(probe, KubeProxyHealthz):
            probe = _healthz(settings, accepts)
        return HealthCheck(probe, settings, reads=owners, reads_node_ports=frozenset({number}))

    def _answering(self, number: int, service: Service) -> tuple[Probe, frozenset[Key]]:
        """What answers there, and the other Services that decide it."""
        own = service.tcp_port_on(number)
        if own is not None:
            return OwnNodePort(own.label), frozenset()
        if number in self._answers_everywhere:
            return AnswersEverywhere(), frozenset()
        if number == KUBE_PROXY_HEALTHZ_PORT:
            return KubeProxyHealthz(), frozenset()
        for owner in self._picture.node_port_owners(number):
            port = owner.tcp_port_on(number)
            if port is not None:
                return OtherNodePort(owner.key, port.label), frozenset({owner.key})
        return NotModelled(f"no API object shows what answers on port {number}"), frozenset()


def _healthz(settings: CheckSettings, accepts: Callable[[int], bool]) -> Probe:
    """kube-proxy serves only /healthz and /livez there, over plain HTTP (pkg/proxy/healthcheck/proxy_health.go
    Run). Data planes that take its place serve no other path either (Cilium daemon/cmd/kube_proxy_healthz.go,
    OVN-Kubernetes go-controller/pkg/node/healthcheck_node.go)."""
    if settings.protocol == "TCP":
        return KubeProxyHealthz()
    if settings.protocol != "HTTP":
        return PassesNowhere("kube-proxy answers plain HTTP there")
    path = "/" + settings.path.removeprefix("/")
    answer = 200 if path.partition("?")[0] in ("/healthz", "/livez") else 404
    if accepts(answer):
        return KubeProxyHealthz()
    return PassesNowhere(f"kube-proxy answers {answer} to {path[:80]}")


class _Raised(NamedTuple):
    error: Exception


def _outcome(compute: Callable[[A], T], record: A) -> T | _Raised:
    try:
        return compute(record)
    except Exception as error:
        return _Raised(error)
