"""What is wrong with a policy, as far as its schema does not show it. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from etpguard.objects.policies import CoveragePolicy


def mistake(policy: CoveragePolicy) -> str:
    """The first selector, schedule or time zone that has no meaning; "" if there is none."""
    for name, selector in (
        ("serviceSelector", policy.spec.service_selector),
        ("namespaceSelector", policy.spec.namespace_selector),
    ):
        for number, part in enumerate((selector and selector.match_expressions) or ()):
            if (part.operator in ("In", "NotIn")) != bool(part.values):
                needs = "needs" if not part.values else "takes no"
                return f"spec.{name}.matchExpressions[{number}]: {part.operator} {needs} values"
    for number, budget in enumerate(policy.spec.remediation.budgets):
        where = f"spec.remediation.budgets[{number}]"
        if wrong := _schedule_mistake(budget.schedule, budget.time_zone):
            return f"{where}.{wrong}"
    return ""


@lru_cache(maxsize=4096)
def _schedule_mistake(schedule: str | None, time_zone: str | None) -> str:
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (KeyError, ValueError, OSError):
        return f"timeZone: {time_zone!r} is not a time zone"
    if schedule is not None:
        try:
            CronSim(schedule, datetime(2000, 1, 1, tzinfo=zone))
        except CronSimError as error:
            return f"schedule: {schedule!r}: {error}"
    return ""


def faults(policy: CoveragePolicy) -> list[str]:
    """What violates the CRD's CEL rules, or `mistake`. The schema is checked elsewhere."""
    spec = policy.spec
    selector = spec.service_selector
    found = []
    if spec.mode == "Enforce" and not (selector and selector.requirements):
        found.append("spec.serviceSelector: mode Enforce needs a selector that is not empty")
    if spec.mode == "Enforce" and spec.remediation.source_ip_loss != "Accept":
        found.append("spec.remediation.sourceIPLoss: mode Enforce needs Accept")
    if not _share(spec.unhealthy_when.uncovered_nodes, least=1):
        found.append("spec.unhealthyWhen.uncoveredNodes: neither 1 or more nor a percentage from 1% to 100%")
    if not _share(spec.remediation.trigger_if.uncovered_services_less_than_or_equal_to, least=0):
        where = "spec.remediation.triggerIf.uncoveredServicesLessThanOrEqualTo"
        found.append(f"{where}: neither 0 or more nor a percentage from 0% to 100%")
    for number, budget in enumerate(spec.remediation.budgets):
        where = f"spec.remediation.budgets[{number}]"
        if (budget.schedule is None) != (budget.duration_seconds is None):
            found.append(f"{where}: schedule and durationSeconds go together")
        if budget.time_zone is not None and budget.schedule is None:
            found.append(f"{where}: timeZone needs a schedule")
    return found or [wrong for wrong in (mistake(policy),) if wrong]


def _share(value: int | str, least: int) -> bool:
    """Whether it is a number of at least `least`, or a percentage from `least` to 100% without leading zeros."""
    if isinstance(value, int):
        return value >= least
    digits = value.removesuffix("%")
    short = re.fullmatch("[0-9]{1,2}|100", digits) is not None and (least == 0 or not digits.startswith("0"))
    return value.endswith("%") and short
