"""The Events about remediation: one constructor for each. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from etpguard.assess import Reason
from etpguard.objects import SERVICE, PolicyRef, Service
from etpguard.objects.events import REMEDIATION_ACTION, REMEDIATION_CONTROLLER, Event, ObjectRef, clip_note
from etpguard.remediate.facts import named
from etpguard.remediate.ownership import advice_against_reverts
from etpguard.remediate.reasons import plain_advice

Count = Callable[[str, str], None]
"""Counts an action and its result in a metric."""


class Announcer(Protocol):
    """Sends Events. `kube.event_sender.EventSender` is one."""

    async def announce(self, event: Event, *, once: bool = False) -> bool:
        """`once`: do not count an Event that exists already. Returns False if a later try may send it. Raises
        nothing of the API server's."""


class NoEvents:
    """For --write-events off."""

    async def announce(self, event: Event, *, once: bool = False) -> bool:
        return True


def remediation_applied(*, service: Service, policy: PolicyRef | None) -> Event:
    note = (
        "changed externalTrafficPolicy from Local to Cluster: every node forwards, and pods see a node's address "
        f"instead of the client's; {named(policy)}; to undo: etpguard rollback {service.key}"
    )
    return _event(service, "RemediationApplied", note)


def remediation_rolled_back(*, service: Service, policy: PolicyRef | None, why: str) -> Event:
    return _event(
        service, "RemediationRolledBack", f"changed externalTrafficPolicy back to Local; {named(policy)}; {why}"
    )


class Local(Enum):
    """What another manager did to a Service that should have Cluster and has Local."""

    RESTORED = "changed externalTrafficPolicy back to Local"
    FOUND = (
        "wrote the Service after etpguard was interrupted at the change to Cluster: it restored Local, or the "
        "change was never made"
    )
    """An update renews the time of all fields of its manager, so nothing shows which of the two it is."""


def rolled_back_by_user(*, service: Service, manager: str, did: Local) -> Event:
    note = (
        f"{manager} {did.value}; etpguard leaves the Service alone until the spec "
        "of a policy that selects it changes"
    )
    return _event(service, "RemediationRolledBack", note)


def remediation_reverted(*, service: Service, manager: str, did: Local) -> Event:
    note = f"{manager} {did.value}. {advice_against_reverts(manager)}"
    return _event(service, "RemediationReverted", note, warning=True)


def rollback_left_to_owner(*, service: Service, policy: PolicyRef | None, why: str) -> Event:
    return _event(service, "RemediationSkipped", f"left externalTrafficPolicy at Cluster: {why}; {named(policy)}")


def remediation_skipped(*, service: Service, reason: Reason) -> Event:
    """Traffic is lost and etpguard does not remediate, or cannot do what is due."""
    advice = f". What to do: {plain_advice(reason.code)}"
    return _event(service, "RemediationSkipped", clip_note(str(reason), advice))


def _event(service: Service, reason: str, note: str, *, warning: bool = False) -> Event:
    return Event(
        regarding=ObjectRef(SERVICE, service.key, service.uid),
        reason=reason,
        warning=warning,
        note=note,
        controller=REMEDIATION_CONTROLLER,
        action=REMEDIATION_ACTION,
    )
