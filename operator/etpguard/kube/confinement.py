"""Whether the API server confines the operator: it must refuse what etpguard never writes.

The manifests install ValidatingAdmissionPolicies that restrict the operator's ServiceAccount. This check finds out
whether they are in force, by dry runs that they forbid. The API server stores nothing of a dry run. If another
policy or a webhook refuses one, the same dry run without its change must be permitted: who refuses each write does
not confine etpguard.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import random
import re
from collections.abc import Callable, Sequence

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.exchange import Client, exchange
from etpguard.kube.refusals import by_rbac
from etpguard.kube.stopping import stopped_within
from etpguard.kube.verbs import Request
from etpguard.objects import SERVICE, Key
from etpguard.objects.log_fields import action_fields

_log = logging.getLogger(__name__)
_FIELDS = action_fields("check the confinement")

TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = 60.0
"""When the check is made again after any result but CONFINED: an admission policy takes some seconds to be in
force."""

KUBERNETES = Key("default", "kubernetes")
"""The Service of the API server, which every cluster has: the check touches no Service of a user."""

_OWN_POLICY = re.compile(r"denied request: etpguard (may|changes) ")
_ADMISSION = re.compile(r"denied (the )?request")

_CONDITION = {
    "type": "etpguard.dev/ConfinementCheck",
    "status": "Unknown",
    "reason": "DryRun",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


class Confined(enum.Enum):
    """CONFINED: refused by an admission policy, a webhook or RBAC. OPEN: permitted. UNKNOWN: no clear answer, or a
    refusal of each write."""

    CONFINED = 1
    OPEN = 0
    UNKNOWN = -1

    @property
    def known(self) -> bool | None:
        return None if self is Confined.UNKNOWN else self is Confined.CONFINED


def forbidden_writes(*, conditions: bool, remediation: bool) -> list[Request]:
    """Dry runs on the Service of the API server that must be refused. `conditions` and `remediation` say what the
    operator may write: its own condition in the status, and the traffic policy in the spec."""
    labels = {"metadata": {"labels": {"etpguard.dev/confinement-check": "dry-run"}}}
    status = {"status": {"conditions": [_CONDITION]}}
    writes = []
    if conditions:
        writes.append(verbs.apply(SERVICE, KUBERNETES, status, subresource="status"))
    if remediation:
        writes.append(verbs.apply(SERVICE, KUBERNETES, labels))
    return [verbs.dry_run(write) for write in writes]


def unchanged(write: Request) -> Request:
    """The same dry run without its change."""
    return verbs.dry_run(verbs.apply(SERVICE, KUBERNETES, {}, subresource=write.resource.partition("/")[2]))


class ConfinementCheck:
    """Makes the check once per `interval` seconds.

    `rbac_proves` is False if the operator has permissions only in some namespaces: a refusal by RBAC in the
    namespace `default` then says nothing about them. The check is not counted among the requests of the operator:
    each one is meant to be refused.
    """

    def __init__(
        self,
        client: Client,
        *,
        conditions: bool,
        remediation: bool,
        rbac_proves: bool,
        interval: float,
        on_result: Callable[[Confined], None],
    ) -> None:
        self._client = client
        self._conditions = conditions
        self._remediation = remediation
        self._rbac_proves = rbac_proves
        self._interval = interval
        self._on_result = on_result
        self._problem = ""

    def problems(self) -> list[str]:
        """What the last check found, for people; empty if the operator is confined. Never a reason not to run."""
        return [self._problem] if self._problem else []

    async def run(self, stop: asyncio.Event) -> None:
        """Check again and again until `stop`."""
        if not self._conditions and not self._remediation:
            return
        while not stop.is_set():
            confined = await self.check()
            wait = self._interval if confined is Confined.CONFINED else min(RETRY_SECONDS, self._interval)
            await stopped_within(stop, wait * random.uniform(0.9, 1.1))  # noqa: S311  not a secret

    async def check(self) -> Confined:
        """Check once."""
        writes = forbidden_writes(conditions=self._conditions, remediation=self._remediation)
        confined, problem = await self._try(writes)
        if problem and problem != self._problem:
            _log.warning("%s", problem, extra=_FIELDS)
        elif self._problem and confined is Confined.CONFINED:
            _log.info("The API server refuses what etpguard never writes, as it should", extra=_FIELDS)
        self._problem = problem
        self._on_result(confined)
        return confined

    async def _try(self, writes: Sequence[Request]) -> tuple[Confined, str]:
        """The worst result of all `writes`, and the problem in words."""
        unknown = ""
        for write in writes:
            refused = await self._send(write)
            if refused is None:
                return Confined.OPEN, (
                    f"The API server permits etpguard to {write.verb} {write.resource} beyond what it needs. "
                    "Install its ValidatingAdmissionPolicies, and run it as their ServiceAccount"
                )
            if doubt := await self._doubt(write, refused):
                unknown = f"It is not known whether the API server confines etpguard: {doubt}"
        return (Confined.UNKNOWN, unknown) if unknown else (Confined.CONFINED, "")

    async def _doubt(self, write: Request, refused: ApiError) -> str:
        """Why the refusal of `write` proves nothing; "" if it is a refusal of its change."""
        if _OWN_POLICY.search(refused.message) or (self._rbac_proves and by_rbac(refused)):
            return ""
        if refused.status not in (403, 422) or not _ADMISSION.search(refused.message):
            return f"{write}: {refused}"
        other = await self._send(unchanged(write))
        return f"{write}: {refused}. The same without a change: {other}" if other else ""

    async def _send(self, write: Request) -> ApiError | None:
        """Why `write` fails, None if it succeeds."""
        try:
            await exchange(self._client, write, TIMEOUT_SECONDS)
        except ApiError as error:
            return error
        return None
