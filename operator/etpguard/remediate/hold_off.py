"""Which policies a person overruled by restoring Local: the text in a record's `heldFor`. Pure.

The hold-off ends when a policy governs the Service that is new or whose spec changed since. A policy that is
deleted ends nothing: what the person decided still holds for the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from etpguard.objects.policies import CoveragePolicy

MAX_LENGTH = 4096
"""The CRD's bound of `heldFor`."""
_EVERY_POLICY = "*"
_SHORT = "#"


def recorded(policies: Iterable[CoveragePolicy]) -> str:
    """The uids and generations of the policies. Uids are hashed where the text would be too long. If it still is,
    the hold-off covers every policy, also later ones: only a person can end it, by deleting the report."""
    versions = [(policy.uid, policy.metadata.generation or 0) for policy in policies]
    for name in (str, _short):
        text = ",".join(f"{name(uid)}@{generation}" for uid, generation in versions)
        if len(text) <= MAX_LENGTH:
            return text
    return _EVERY_POLICY


def holds(held_for: str, policies: Iterable[CoveragePolicy]) -> bool:
    """Whether each of these policies, which govern the Service now, was overruled in its present version."""
    if held_for == _EVERY_POLICY:
        return True
    overruled: dict[str, int] = {}
    for entry in held_for.split(","):
        name, _, generation = entry.rpartition("@")
        if generation.isdecimal():
            overruled[name] = int(generation)
    return all(
        max(overruled.get(policy.uid, -1), overruled.get(_short(policy.uid), -1))
        >= (policy.metadata.generation or 0)
        for policy in policies
    )


def _short(uid: str) -> str:
    return f"{_SHORT}{hashlib.sha256(uid.encode()).hexdigest()[:12]}"
