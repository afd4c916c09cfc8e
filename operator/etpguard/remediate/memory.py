"""What was last read or written of each Service's remediation, until the picture shows that or something newer.

The watch of one kind may be silent without anyone knowing: a budget that was counted from the picture alone would
be spent twice. Pure; times are seconds of a monotonic clock that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etpguard.objects import Key, Remediation, Service, ServiceCoverage

_LIFE = 3600.0
"""Seconds after which the picture alone counts: by then it has been listed anew several times."""
_WINDOW = 604800.0
"""The longest `perSeconds` of a budget: so long is an intent remembered whose Service is gone."""


@dataclass(frozen=True, slots=True)
class _Seen:
    service_uid: str
    service_version: int
    report_version: int
    remediation: Remediation | None
    at: float


class RemediationMemory:
    def __init__(self) -> None:
        self._seen: dict[Key, _Seen] = {}
        self._departed: dict[tuple[str, str], tuple[Remediation, float]] = {}

    def note(
        self,
        key: Key,
        remediation: Remediation | None,
        report_version: int,
        now: float,
        service: tuple[str, int] | None = None,
    ) -> None:
        """What the API server said of a report, and of its Service (uid, resourceVersion) where that was read."""
        before = self._seen.get(key)
        if service is None and before is not None:
            service = (before.service_uid, before.service_version)
        uid, version = service or ("", 0)
        # A report that was deleted takes no more account with it than a Service that was.
        if before is not None and (remediation is None or before.service_uid not in ("", uid)):
            self._depart(before, now)
        self._seen[key] = _Seen(uid, version, report_version, remediation, now)

    def remediation(self, key: Key, report: ServiceCoverage | None, now: float) -> Remediation | None:
        """That of the picture's report, or what is known to be newer."""
        seen = self._seen.get(key)
        shown = report is not None and seen is not None and report.version >= seen.report_version
        if seen is None or shown or now >= seen.at + _LIFE:
            return report.remediation if report else None
        return seen.remediation

    def behind(self, service: Service, now: float) -> bool:
        """Whether the picture's Service is older than what was seen of it."""
        seen = self._seen.get(service.key)
        if seen is None or now >= seen.at + _LIFE:
            return False
        return service.uid == seen.service_uid and service.version < seen.service_version

    def keys(self) -> Iterator[Key]:
        """Services of which a remediation is remembered."""
        return (key for key, seen in self._seen.items() if seen.remediation is not None)

    def departed(self, services: Mapping[Key, str], now: float) -> list[Remediation]:
        """The remediations of Services that are no more, or not in the picture under that uid, whose intents count
        nonetheless; `services` gives the uids of those that are."""
        hidden = []
        for key, seen in list(self._seen.items()):
            if services.get(key) != seen.service_uid and seen.service_uid:
                if now < seen.at + _LIFE and key in services:  # the picture may be the older one
                    hidden += [seen.remediation] if seen.remediation is not None else []
                    continue
                self._depart(seen, now)
                del self._seen[key]
        self._departed = {k: (r, at) for k, (r, at) in self._departed.items() if now < at + _WINDOW}
        return [*hidden, *(remediation for remediation, _ in self._departed.values())]

    def _depart(self, seen: _Seen, now: float) -> None:
        if seen.remediation is not None and seen.remediation.intents:
            self._departed[seen.service_uid, seen.remediation.intents[-1]] = (seen.remediation, now)
