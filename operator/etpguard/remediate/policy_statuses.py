"""Writes the status of each policy: when it differs, and not too often."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.writes import NotNow, OutOfScope, Writer
from etpguard.objects import Key, times
from etpguard.objects.log_fields import action_fields
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate import status
from etpguard.remediate.decide import Decision
from etpguard.remediate.facts import Round
from etpguard.remediate.ownership import MANAGER
from etpguard.remediate.status import Json
from etpguard.remediate.turns import Turns
from etpguard.report.statuses import comparable
from etpguard.report.wording import Wording

_log = logging.getLogger(__name__)


class _Written(NamedTuple):
    at: float
    status: Json
    version: int


class PolicyStatuses:
    """`interval`: seconds between two writes of one status. `longest_turn`: seconds that it holds the event loop.
    `of_cluster_policies`: whether this operator writes those of ClusterCoveragePolicies. `clock` is monotonic,
    `wall` since the epoch."""

    def __init__(
        self,
        writer: Writer,
        interval: float,
        longest_turn: float,
        clock: Callable[[], float],
        wall: Callable[[], float],
        failures: Failures | None = None,
        of_cluster_policies: bool = True,
    ) -> None:
        self._writer = writer
        self._of_cluster_policies = of_cluster_policies
        self._said = False
        self._interval = interval
        self._longest_turn = longest_turn
        self._clock = clock
        self._wall = wall
        self._failures = failures or Failures()
        self._written: dict[str, _Written] = {}
        self._wording: Wording[str] = Wording(comparable, status.same_facts)
        self._problem = ""

    def clear(self) -> None:
        """Another replica may have written since."""
        self._written.clear()
        self._wording.clear()

    async def write(self, round_: Round, decisions: Mapping[Key, Decision]) -> float | None:
        """Write the statuses that differ. In how many seconds one may be written that has to wait; None if none
        has to."""
        now = self._clock()
        waits = []
        turns = Turns(self._longest_turn, self._clock)
        for policy in round_.policies:
            await turns.pause()
            if policy.deleting or self._leaves(policy):
                continue
            wanted = status.policy_status(policy, round_, decisions, self._wall())
            written = self._written.get(policy.uid)
            # What the picture shows counts as soon as it is as late as the write: another may have overwritten it.
            hidden = written is not None and policy.version < written.version
            present = written.status if written and hidden else policy.status
            at = written.at if written else float("-inf")
            if self._wording.same(policy.uid, present, wanted):
                continue
            if now < at + self._interval:
                waits.append(at + self._interval - now)
                continue
            version = 0  # where the write fails, so that the picture counts, and it is not tried more often
            try:
                version = await self._write(policy, wanted, present)
                self._problem = ""
            except OutOfScope:  # another instance may write it
                continue
            except (ApiError, NotNow) as error:
                self._report(str(error))
            except Exception as error:
                self._failures.note("remediation", f"the status of policy {policy.key}", error)
            self._written[policy.uid] = _Written(now, wanted, version)
        kept = {policy.uid for policy in round_.policies}
        self._written = {uid: written for uid, written in self._written.items() if uid in kept}
        self._wording.retain(kept)
        return min(waits, default=None)

    def _leaves(self, policy: CoveragePolicy) -> bool:
        """Whether another operator may write the status too: the two would overwrite each other's counts without
        end."""
        if self._of_cluster_policies or policy.metadata.namespace:
            return False
        if not self._said:
            self._said = True
            _log.warning(
                "No status of a ClusterCoveragePolicy is written: with --namespaces and --second-installation "
                "allow, another installation may count its own Services in it",
                extra=action_fields("patch"),
            )
        return True

    async def _write(self, policy: CoveragePolicy, wanted: Json, present: Json | None) -> int:
        """Returns the resourceVersion that the policy has then; 0 if it is gone or changed meanwhile."""
        kind = COVERAGE_POLICY if policy.metadata.namespace else CLUSTER_COVERAGE_POLICY
        body = status.body(wanted, present, times.rfc3339(self._wall()))
        request = verbs.apply(kind, policy.key, body, subresource="status", uid=policy.uid, manager=MANAGER)
        try:
            answer = await self._writer.write(request, attempts=1)
            return int(answer["metadata"].get("resourceVersion") or 0)
        except ApiError as error:
            if error.status != 409 and (error.status != 404 or error.kind_absent):
                raise
            return 0

    def _report(self, problem: str) -> None:
        """Log a problem once for as long as it lasts."""
        if problem != self._problem:
            _log.warning("Cannot write statuses of policies: %s", problem, extra=action_fields("patch"))
        self._problem = problem
