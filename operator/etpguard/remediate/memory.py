"""What etpguard last read or wrote of each Service's remediation, until the picture shows that or something newer.

A watch may be silent without anyone knowing. A budget that is counted only from the picture could be used twice.

`kube.own_writes` does the same for what is published, by the same rule (`Store.reached`). It is no substitute: it
forgets a write after a minute and with each term, whereas this is an account. It also takes in reads, and keeps
what was spent on Services that are gone. Pure; the clock is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from etpguard.cluster import Picture
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Remediation, Revert, Service, times
from etpguard.objects.coverage import KEPT
from etpguard.report.service_coverage import LONGEST_BUDGET, LONGEST_DRIFT

_LIFE_SECONDS = 3600.0
"""After this time only the picture counts: several lists have refreshed it by then."""
CREATED_AGAIN = "a tool that deleted the Service and created it again"
"""The manager in the revert of a remediated Service that another Service of the same name replaced."""


@dataclass(frozen=True, slots=True)
class _Seen:
    service_uid: str
    service_version: int
    report_version: int
    remediation: Remediation | None
    at: float


class RemediationMemory:
    """`clock` is monotonic, `wall` gives seconds since the epoch."""

    def __init__(self, picture: Picture, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._picture = picture
        self._clock = clock
        self._wall = wall
        self._seen: dict[Key, _Seen] = {}
        self._departed: dict[tuple[str, str], tuple[Remediation, float]] = {}
        self._former: dict[str, Remediation] = {}
        self._reverts: dict[Key, tuple[tuple[Revert, ...], float]] = {}
        """The reverts of earlier Services of a name, and when the last of them was replaced. Kept while a Service
        may count them: another one may take a free name."""
        self._vacant: dict[Key, _Seen] = {}
        """What was seen of deleted Services, until another Service takes the name. `at` is when it was deleted."""

    def note(
        self,
        key: Key,
        remediation: Remediation | None,
        report_version: int,
        service_uid: str,
        service_version: int,
    ) -> None:
        """Record what the API server returned for a Service and its report. A version is a resourceVersion; 0
        where there is no report, or where the Service was not read."""
        now = self._clock()
        before = self._seen.get(key)
        # A report that was deleted takes no more of the account with it than a Service that was.
        if before is not None and (remediation is None or before.service_uid not in ("", service_uid)):
            self._depart(before, now)
        if before is None:
            before = self._vacant.pop(key, None)
        if before is not None and "" != before.service_uid != service_uid:
            self._succeeded(key, before)
        if remediation is not None:
            self._former[service_uid] = remediation
        self._seen[key] = _Seen(service_uid, service_version, report_version, remediation, now)

    def etcd_restored(self) -> None:
        """Versions start over, so only the picture counts. What was spent stays spent."""
        for seen in self._seen.values():
            self._depart(seen, self._clock())
        self._seen.clear()

    def former(self, service: Service) -> Remediation | None:
        """The last record that was seen of this very Service, whatever became of its report."""
        return self._former.get(service.uid)

    def former_reverts(self, key: Key) -> tuple[Revert, ...]:
        """Reverts of earlier Services of that name, the newest."""
        vacant, service = self._vacant.get(key), self._picture.get(SERVICE, key)
        if vacant is not None and service is not None and service.uid != vacant.service_uid:
            del self._vacant[key]
            self._succeeded(key, vacant)
        reverts, _ = self._reverts.get(key, ((), 0.0))
        return reverts

    def remediation(self, key: Key) -> Remediation | None:
        """The record in the picture's report, or the one that is known to be newer."""
        seen = self._seen.get(key)
        if seen is None or self._shown(key, seen):
            report = self._picture.get(SERVICE_COVERAGE, key)
            return report.remediation if report else None
        return seen.remediation

    def behind(self, service: Service) -> bool:
        """Whether the picture's Service is older than what was seen of it."""
        seen = self._seen.get(service.key)
        if seen is None or self._clock() >= seen.at + _LIFE_SECONDS:
            return False
        return service.uid == seen.service_uid and service.version < seen.service_version

    def remediations(self) -> Iterator[tuple[Key, Remediation]]:
        """Every Service with a known record, and the record."""
        keys = dict.fromkeys(report.key for report in self._picture.store(SERVICE_COVERAGE))
        for key in (*keys, *(key for key in self._seen if key not in keys)):
            if remediation := self.remediation(key):
                yield key, remediation

    def departed(self) -> list[Remediation]:
        """The records whose intents count although the picture has no Service of that name and uid, or no record
        of it any more."""
        now = self._clock()
        services = self._picture.store(SERVICE)
        hidden = []
        for key, seen in list(self._seen.items()):
            service = services.get(key)
            if seen.service_uid and (service is None or service.uid != seen.service_uid):
                newer = service is not None and 0 < seen.service_version < service.version
                if service is not None and not newer and now < seen.at + _LIFE_SECONDS:
                    hidden += [seen.remediation] if seen.remediation is not None else []
                    continue  # the picture may be the older one
                self._depart(seen, now)
                if newer:
                    self._succeeded(key, seen)
                elif service is None:
                    self._vacant[key] = replace(seen, at=now)
                del self._seen[key]
            elif seen.remediation is not None and self.remediation(key) is None:
                hidden.append(seen.remediation)
        uids = {service.uid for service in services}
        self._former = {uid: record for uid, record in self._former.items() if uid in uids}
        self._vacant = {k: seen for k, seen in self._vacant.items() if now < seen.at + LONGEST_BUDGET}
        self._departed = {k: (r, at) for k, (r, at) in self._departed.items() if now < at + LONGEST_BUDGET}
        self._reverts = {
            k: (reverts, at)
            for k, (reverts, at) in self._reverts.items()
            if services.get(k) is not None or k in self._vacant or now < at + LONGEST_DRIFT
        }
        return [*hidden, *(remediation for remediation, _ in self._departed.values())]

    def _succeeded(self, key: Key, before: _Seen) -> None:
        """Note that another Service has taken the name. If the former one was remediated, that undid the
        remediation."""
        record = before.remediation
        if record is None:
            return
        reverts = [*self.former_reverts(key), *record.reverts]
        if record.in_force_for(before.service_uid):
            reverts.append(Revert(times.rfc3339(self._wall()), CREATED_AGAIN))
        self._reverts[key] = tuple(reverts[-KEPT:]), self._clock()

    def _shown(self, key: Key, seen: _Seen) -> bool:
        """Whether the picture shows the report as it was seen or later, or shows that it is gone."""
        if self._clock() >= seen.at + _LIFE_SECONDS:
            return True
        return self._picture.store(SERVICE_COVERAGE).reached(key, seen.report_version)

    def _depart(self, seen: _Seen, now: float) -> None:
        if seen.remediation is not None and seen.remediation.intents:
            self._departed[seen.service_uid, seen.remediation.intents[-1]] = (seen.remediation, now)
