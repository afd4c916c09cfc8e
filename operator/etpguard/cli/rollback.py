"""`etpguard rollback`: restore Local on a Service that etpguard remediated, with the caller's credentials.

No operator has to run. An operator that runs now or later sees who restored Local, and records RolledBackByUser.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from etpguard.assess.consumers import changes
from etpguard.cli.errors import Failure
from etpguard.cli.output.streams import narrate
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.conflict_retry import retry_on_conflict
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, KubeError
from etpguard.kube.exchange import exchange
from etpguard.kube.present_object import present_object
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Reject, Remediation, Service
from etpguard.remediate.checks import SKIP_ANNOTATION
from etpguard.remediate.errors import Refused
from etpguard.remediate.ownership import MANAGER, ROLLBACK_MANAGER, adopter
from etpguard.remediate.restore import restore_local

if TYPE_CHECKING:
    from etpguard.kube.exchange import Client

TIMEOUT_SECONDS = 30.0
"""Seconds for one request. The first request also loads the client, which takes seconds on a busy machine."""


def rollback(
    kubeconfig: str | None, context: str | None, namespace: str | None, name: str, *, force: bool = False
) -> int:
    """Roll back and print what was done. With `namespace` None, the namespace of the context counts. `force`: also
    if another manager declares Cluster now. Returns 0. If it raises Failure, nothing was changed."""
    try:
        connection = Connection(kubeconfig, context)
        key = Key(namespace or connection.namespace, name)
        for line in asyncio.run(_with_client(connection, key, force)):
            narrate(line)
    except KubeError as error:
        raise Failure(str(error)) from None
    return 0


async def _with_client(connection: Connection, key: Key, force: bool) -> list[str]:
    client = LazyClient(connection)
    try:
        back = await Rollback(client, key, force=force).run()
    except ApiError as error:
        raise Failure(f"Service {key}: {error}") from None
    finally:
        await client.close()
    if back.owner:
        raise Failure(
            f"Service {key}: {back}. Set Local at the source of {back.owner}. --force sets Local now, and "
            f"{back.owner} may set Cluster again"
        )
    if not back.changed:
        return [f"Service {key}: {back}; nothing to roll back"]
    return [*back.notes, f"Service {key}: {back}. {_AFTERWARDS if back.recorded else _UNRECORDED}"]


_AFTERWARDS = (
    "etpguard leaves the Service alone until the spec of a policy that selects it changes, "
    "or a new policy selects it."
)
_UNREADABLE = (
    "its report has a record that this version of etpguard cannot read. Use the version that wrote it. To restore "
    "Local without the former healthCheckNodePort, use --force"
)
_UNRECORDED = (
    "No record of the remediation could be read, so a policy may remediate the Service again. The annotation "
    f'{SKIP_ANNOTATION}: "true" prevents that.'
)


class Back(NamedTuple):
    """The result of a rollback. `changed`: whether this command restored Local. `notes`: what did not go as
    planned. `owner`: who declares Cluster now, so that the Service keeps it; "" for nobody. `recorded`: whether a
    report has the remediation, so that an operator sees that a person took it back."""

    changed: bool
    port: int | None = None
    notes: tuple[str, ...] = ()
    owner: str = ""
    recorded: bool = False

    def __str__(self) -> str:
        if self.owner:
            return f"keeps externalTrafficPolicy Cluster, because {self.owner} declares it now"
        at_port = f", healthCheckNodePort {self.port}" if self.port else ""
        return f"externalTrafficPolicy is Local{' again' if self.changed else ''}{at_port}"


class Rollback:
    """Rolls back one Service. With `dry_run` the API server checks each request and stores nothing. Without
    `force` the Service keeps Cluster if another manager declares it."""

    def __init__(self, client: Client, key: Key, *, dry_run: bool = False, force: bool = False) -> None:
        self._client = client
        self._key = key
        self._dry_run = dry_run
        self._force = force

    async def run(self) -> Back:
        """Raises ApiError. Raises Failure if the Service is gone, has a type without the policy, or was not
        changed by etpguard."""
        return await retry_on_conflict(self._attempt)

    async def _attempt(self) -> Back:
        notes: list[str] = []
        raw, service = await self._service()
        if service.policy == "Local":
            return Back(False)
        if not service.spec.external_traffic_policy:
            raise Failure(f"Service {self._key}: type {service.type} has no externalTrafficPolicy")
        record = await self._record(service, notes)
        if not self._force and (owner := adopter(raw)):
            return Back(False, owner=owner)
        port = record.original_health_check_node_port if record else None
        try:
            answer, refusal = await restore_local(self._write, service, port, ROLLBACK_MANAGER)
        except Refused as error:
            raise Failure(f"Service {self._key}: {error}") from None
        if refusal is not None:
            notes.append(f"healthCheckNodePort {port} cannot be restored: {refusal.message}")
        recorded = record is not None and record.in_force_for(service.uid)
        return Back(True, answer["spec"].get("healthCheckNodePort"), tuple(notes), recorded=recorded)

    async def _write(self, request: verbs.Request) -> dict[str, Any]:
        return await self._send(verbs.dry_run(request) if self._dry_run else request)

    async def _service(self) -> tuple[dict[str, Any], Service]:
        found = await present_object(self._send, SERVICE, self._key)
        if found is None:
            raise Failure(f"Service {self._key} does not exist")
        raw, service = found
        if isinstance(service, Reject):
            raise Failure(service.message)
        return raw, service

    async def _record(self, service: Service, notes: list[str]) -> Remediation | None:
        """The record of the remediation, if the report has one. Raises Failure if nothing shows that etpguard
        changed the Service."""
        remediation: Remediation | None = None
        try:
            found = await present_object(self._send, SERVICE_COVERAGE, self._key)
        except ApiError as error:
            if error.status != 403:
                raise
            found = None
            notes.append(
                f"cannot read the report, so the API server chooses the healthCheckNodePort: {error.message}"
            )
        report = found[1] if found else None
        if isinstance(report, Reject) or (report is not None and report.remediation_unreadable):
            if not self._force:
                raise Failure(f"Service {self._key}: {_UNREADABLE}")
        elif report is not None and report.remediation:
            remediation = report.remediation if report.remediation.service_uid == service.uid else None
        changed = remediation is not None and remediation.in_force_for(service.uid)
        if not changed and MANAGER not in service.managers:
            by_hand = changes.service_spec(self._key, "externalTrafficPolicy", "Local").command
            raise Failure(
                f"Service {self._key}: externalTrafficPolicy is Cluster, but etpguard did not set it. To set "
                f"Local yourself: {by_hand}"
            )
        return remediation

    async def _send(self, request: verbs.Request) -> dict[str, Any]:
        return (await exchange(self._client, request, TIMEOUT_SECONDS)).json()
