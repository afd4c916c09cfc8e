"""What `etpguard uninstall` does to one Service: to its traffic policy, conditions, field managers and report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from etpguard.cli.errors import Failure
from etpguard.cli.rollback import Rollback
from etpguard.kube import verbs
from etpguard.kube.conflict_retry import retry_on_conflict
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, AnyKind, Key, Reject, Service, ServiceCoverage, decode_item
from etpguard.publish import conditions
from etpguard.remediate import patches
from etpguard.remediate.ownership import MANAGER, ROLLBACK_MANAGER
from etpguard.report.service_condition import CONDITIONS, existing_condition, has_condition

if TYPE_CHECKING:
    from etpguard.kube.exchange import Client

MANAGERS = frozenset({verbs.FIELD_MANAGER, MANAGER, ROLLBACK_MANAGER})

Step = Callable[[verbs.Json], verbs.Request | None]
"""Makes a request that removes something from a raw Service; None if there is nothing to remove."""


class CleanupResult(NamedTuple):
    """A line for each change, and the problem that ended the cleanup; "" if there was none."""

    done: tuple[str, ...] = ()
    problem: str = ""


class Sender:
    """Sends writes. With `dry_run` the API server stores none of them."""

    def __init__(self, writer: Writer, dry_run: bool) -> None:
        self.writer = writer
        self.dry_run = dry_run

    async def send(self, request: verbs.Request) -> verbs.Json | None:
        """Send the request. Returns the answer; None if the object does not exist any more. Raises ApiError."""
        try:
            return await self.writer.write(verbs.dry_run(request) if self.dry_run else request)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def delete(self, kind: AnyKind, key: Key, *, uid: str, version: str = "") -> CleanupResult:
        """Delete an object. One that stays because of a finalizer is a problem."""
        try:
            answer = await self.send(verbs.delete(kind, key, uid=uid, version=version))
        except ApiError as error:
            return CleanupResult(problem=f"{kind.name} {key}: {error}")
        if answer is None:
            return CleanupResult()
        if holding := (answer.get("metadata") or {}).get("finalizers"):
            names = ", ".join(map(str, holding))
            return CleanupResult(problem=f"{kind.name} {key}: it stays until its finalizers are removed: {names}")
        return CleanupResult((f"{kind.name} {key}: deleted",))


class ServiceCleanup:
    """Cleans up the Service `key`. `revert`: restore Local if etpguard set Cluster. `force`: also if another
    manager declares Cluster now."""

    def __init__(self, client: Client, sender: Sender, key: Key, *, revert: bool, force: bool = False) -> None:
        self._client = client
        self._sender = sender
        self._key = key
        self._revert = revert
        self._force = force
        self._done: list[str] = []

    async def run(self, service: Service | None, report: ServiceCoverage | None) -> CleanupResult:
        """Takes both objects as they were listed; None for one that does not exist. The report stays: it may be
        the only record of what etpguard changed. Delete it once the result is printed and has no problem."""
        try:
            if service is not None:
                # A dry run finds the managers that the real run has removed by then, and lacks the one that its
                # rollback has added. Both print the line if a manager is there at any time.
                managed = remediated(service, report) and await self._remediation()
                for type_ in CONDITIONS:
                    if await self._take(partial(_condition, type_=type_)):
                        self._note(f"condition {type_} removed")
                        managed = managed or not MANAGERS.isdisjoint(service.managers)
                if await self._take(_ownership) or managed:
                    self._note("etpguard manages no field any more")
        except Failure as error:
            return CleanupResult(tuple(self._done), str(error))
        except ApiError as error:
            return CleanupResult(tuple(self._done), f"Service {self._key}: {error}")
        return CleanupResult(tuple(self._done))

    async def _remediation(self) -> bool:
        """Keep Cluster, or restore Local. Returns whether it restored Local."""
        if not self._revert:
            self._note(
                "keeps externalTrafficPolicy Cluster; declare Cluster at its source, or an apply restores Local"
            )
            return False
        back = await Rollback(self._client, self._key, dry_run=self._sender.dry_run, force=self._force).run()
        for note in back.notes:
            self._note(note)
        self._note(str(back))
        return back.changed

    async def _take(self, step: Step) -> bool:
        """Remove what `step` finds. Returns whether there was something to remove."""
        sent = False

        async def attempt() -> bool:
            nonlocal sent
            try:
                raw = await self._sender.writer.read(verbs.get(SERVICE, self._key))
            except ApiError as error:
                if error.status != 404:
                    raise
                return False
            request = step(raw)
            if request is None:
                # After a conflict: the API server carried out the earlier write, but its answer was lost.
                return sent
            sent = True
            return await self._sender.send(request) is not None

        return await retry_on_conflict(attempt)

    def _note(self, what: str) -> None:
        self._done.append(f"Service {self._key}: {what}")


def remediated(service: Service, report: ServiceCoverage | None) -> bool:
    """Whether etpguard set Cluster, as far as the list shows, or may have, if the record cannot be read. A
    rollback reads the Service again. If the Service now has a type without externalTrafficPolicy, there is nothing
    to restore."""
    if service.spec.external_traffic_policy != "Cluster":
        return False
    if MANAGER in service.managers:
        return True
    if report is None or report.remediation is None:
        return report is not None and report.remediation_unreadable
    return report.remediation.in_force_for(service.uid)


def marked(service: Service) -> bool:
    """Whether the Service has a condition or a field manager of etpguard."""
    return has_condition(service) or bool(MANAGERS & service.managers)


def _condition(raw: verbs.Json, *, type_: str) -> verbs.Request | None:
    service = decode_item(SERVICE, raw)
    if isinstance(service, Reject):
        raise Failure(service.message)
    return conditions.removal(service, type_) if existing_condition(service, type_) else None


def _ownership(raw: verbs.Json) -> verbs.Request | None:
    patch = patches.hand_back(raw, MANAGERS)
    key = Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
    return None if patch is None else verbs.json_patch(SERVICE, key, patch)
