"""Refusals that concern more than one object: RBAC forbids the verb, or the resource is not served."""

from __future__ import annotations

from dataclasses import dataclass, field

from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request

_EVERYWHERE = 8
"""If this many namespaces were refused and none was allowed, all namespaces count as refused."""
_REPORT_SECONDS = 900.0
"""How long a refusal is reported after it last occurred. A refused write that is still due is tried again within
ten minutes."""


@dataclass
class _Refusal:
    words: str
    met: float
    until: dict[str, float] = field(default_factory=dict)
    allowed: bool = False


class Refusals:
    """For each verb and resource, the namespaces in which it was refused, and until when it is not tried again.

    A request that succeeds ends the refusal in its namespace. When no namespace is left, the problem is over.
    `hold` is how long a refusal holds, in seconds.
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self._refused: dict[tuple[str, str], _Refusal] = {}

    def of(self, request: Request, now: float) -> tuple[str, float] | None:
        """Why not to send the request, and for how many seconds; None if it may be sent."""
        refusal = self._refused.get((request.verb, request.resource))
        if refusal is None:
            return None
        until = refusal.until.get(request.namespace, 0.0)
        if not refusal.allowed and ("" in refusal.until or len(refusal.until) >= _EVERYWHERE):
            until = max(refusal.until.values())
        return (refusal.words, until - now) if until > now else None

    def note(self, request: Request, error: ApiError, now: float) -> str | None:
        """Record a failed request. Returns a message for the log if this is a new refusal."""
        if error.kind_absent:
            scope, words = "", f"{request.resource} is not served: its CustomResourceDefinition is not installed"
        elif by_rbac(error):
            scope, words = request.namespace, f"may not {request.verb} {request.resource}: {error.message}"
        else:
            return None
        self._forget(now)
        at = (request.verb, request.resource)
        known = self._refused.get(at)
        refusal = self._refused.setdefault(at, _Refusal(words, now))
        refusal.words, refusal.met = words, now
        refusal.until[scope] = now + self._hold
        return words if known is None else None

    def allowed(self, request: Request) -> str | None:
        """Record a request that succeeded. Returns a message for the log if it ended a problem."""
        at = (request.verb, request.resource)
        refusal = self._refused.get(at)
        if refusal is None:
            return None
        refusal.until.pop(request.namespace, None)
        refusal.until.pop("", None)
        refusal.allowed = True
        if refusal.until:
            return None
        del self._refused[at]
        return f"may {request.verb} {request.resource} again"

    def problems(self, now: float) -> list[str]:
        """One line for each verb and resource; one line in all for a resource that is not served."""
        self._forget(now)
        return sorted({refusal.words for refusal in self._refused.values()})

    def _forget(self, now: float) -> None:
        self._refused = {at: each for at, each in self._refused.items() if now - each.met < _REPORT_SECONDS}


def by_rbac(error: ApiError) -> bool:
    """Whether the 403 is from the authorizer (k8s.io/apiserver 1.37 endpoints/handlers/responsewriters/errors.go:
    'User "…" cannot patch resource "…"'). Any other 403 concerns one object: an admission plugin refused it, or
    its namespace is terminating."""
    return error.status == 403 and 'User "' in error.message and " cannot " in error.message
