"""Who led when, and who wrote what, from the API server's audit log."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from tests.remediate.stage import Json

_WRITES = ("create", "update", "patch", "delete")


class Write(NamedTuple):
    """An accepted write. Times are RFC 3339 with microseconds, so that they sort as text."""

    received: str
    answered: str
    user: str
    verb: str
    resource: str
    name: str
    body: Any

    def __str__(self) -> str:
        return f"{self.received}–{self.answered} {self.user}: {self.verb} {self.resource} {self.name}"


class Term(NamedTuple):
    """From when its acquisition of the Lease was answered until the next one's was received."""

    holder: str
    user: str
    begin: str
    end: str


def accepted(events: Iterable[Json], namespace: str, users: Iterable[str]) -> list[Write]:
    """Their writes in that namespace that the API server carried out, in the order in which it received them."""
    known = set(users)
    found = []
    for event in events:
        about = event.get("objectRef") or {}
        user = event["user"].get("username", "")  # none where the client was gone before it was looked at
        if user not in known or about.get("namespace") != namespace or event["verb"] not in _WRITES:
            continue
        if "dryRun=" not in event["requestURI"] and (event.get("responseStatus") or {}).get("code", 0) < 300:
            found.append(
                Write(
                    event["requestReceivedTimestamp"],
                    event["stageTimestamp"],
                    user,
                    event["verb"],
                    "/".join(filter(None, (about["resource"], about.get("subresource")))),
                    about.get("name", ""),
                    event.get("requestObject"),
                )
            )
    return sorted(found)


def terms(writes: Iterable[Write]) -> list[Term]:
    """Each time the Lease had another holder than before."""
    acquired: list[tuple[str, Write]] = []
    for write in writes:
        holder = write.body["spec"]["holderIdentity"] if write.resource == "leases" else ""
        if holder and (not acquired or acquired[-1][0] != holder):
            acquired.append((holder, write))
    ends = [later.received for _, (_, later) in pairwise(acquired)] + ["9999"]
    return [Term(holder, w.user, w.answered, end) for (holder, w), end in zip(acquired, ends, strict=True)]


def policy_set(write: Write) -> str:
    """What a write sets a Service's externalTrafficPolicy to, "" if it leaves it."""
    if write.resource != "services" or not isinstance(write.body, list):
        return ""
    changes = [op for op in write.body if op["op"] == "replace" and op["path"] == "/spec/externalTrafficPolicy"]
    return str(changes[0]["value"]) if changes else ""


def phase_recorded(write: Write) -> str:
    """The phase that a write records in a report, "" if none."""
    if write.resource != "servicecoverages/status" or not isinstance(write.body, dict):
        return ""
    return str(write.body["status"].get("remediation", {}).get("phase", ""))
