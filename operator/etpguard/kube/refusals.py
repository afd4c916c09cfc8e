"""Refusals that hold for more than one object: what RBAC forbids, and a resource that is not served."""

from __future__ import annotations

from dataclasses import dataclass, field

from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request

_EVERYWHERE = 8
"""Namespaces refused, with none allowed, from which on all are taken to be."""
_TOLD_SECONDS = 900.0
"""How long a refusal that is met no more is still told of: what is refused is tried again every ten minutes at
least, unless it is not wanted any more."""


@dataclass
class _Refusal:
    words: str
    met: float
    until: dict[str, float] = field(default_factory=dict)
    allowed: bool = False


class Refusals:
    """Per verb and resource: in which namespaces it was refused, and until when that is taken to stand.

    One request that succeeds ends the refusal of its namespace; the last one ends the problem.
    """

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self._refused: dict[tuple[str, str], _Refusal] = {}

    def of(self, request: Request, now: float) -> tuple[str, float] | None:
        """Why not to send it, and for how many seconds; None if it may be tried."""
        refusal = self._refused.get((request.verb, request.resource))
        if refusal is None:
            return None
        until = refusal.until.get(request.namespace, 0.0)
        if not refusal.allowed and ("" in refusal.until or len(refusal.until) >= _EVERYWHERE):
            until = max(refusal.until.values())
        return (refusal.words, until - now) if until > now else None

    def note(self, request: Request, error: ApiError, now: float) -> str | None:
        """Take a failure in; the words for it if it is a refusal that was not known."""
        if error.kind_absent:
            scope, words = "", f"{request.resource} is not served: its CustomResourceDefinition is not there"
        elif _by_rbac(error):
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
        """Take a success in; the words for it if it ended a problem."""
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

    def in_words(self, now: float) -> list[str]:
        """One line a verb and resource; a resource that is not served once, whatever the verb."""
        self._forget(now)
        return sorted({refusal.words for refusal in self._refused.values()})

    def _forget(self, now: float) -> None:
        self._refused = {at: each for at, each in self._refused.items() if now - each.met < _TOLD_SECONDS}


def _by_rbac(error: ApiError) -> bool:
    """The authorizer's own 403 (k8s.io/apiserver 1.37 endpoints/handlers/responsewriters/errors.go:
    'User "…" cannot patch resource "…"'). Any other 403 is an admission plugin's or a terminating namespace's
    word on one object."""
    return error.status == 403 and 'User "' in error.message and " cannot " in error.message
