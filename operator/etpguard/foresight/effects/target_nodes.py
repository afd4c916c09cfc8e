"""How each controller takes the labels of the nodes that it targets. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from etpguard.assess import Assessment
from etpguard.assess.consumers.interface import ConsumerFamily, SelectsNodes
from etpguard.cluster import Picture
from etpguard.foresight.apply import Json, applied_documents
from etpguard.foresight.changes import Applied, Refused, TargetNodes
from etpguard.objects import SERVICE


def applied(
    change: TargetNodes, picture: Picture, assessment: Assessment, families: Mapping[str, ConsumerFamily]
) -> list[Applied]:
    """The objects as they will be. Raises Refused where a consumer takes no node selector, or there is none."""
    service = picture.get(SERVICE, change.service)
    assert service is not None
    wanted = labels(change.selector)
    documents: list[Json] = []
    without: list[str] = []
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        if consumer.targets.rule is None:
            continue
        family = families.get(consumer.family)
        selects = family if isinstance(family, SelectsNodes) else None
        step = selects and selects.target_nodes(service, consumer, wanted, keep=False)
        if step is not None and isinstance(step.change, tuple):
            documents += [each.document for each in step.change]
        else:
            without.append(f"{consumer} ({consumer.controller})")
    if without or not documents:
        who = without[0] if without else f"Service {change.service} has no consumer"
        raise Refused(f"{who}: etpguard knows no node selector of it that takes {change.selector}")
    return applied_documents(documents, picture)


def labels(selector: str) -> dict[str, str]:
    """The labels of `k=v,k==v`. Raises Refused for another form."""
    found: dict[str, str] = {}
    for part in selector.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or not key or key.endswith("!"):
            raise Refused(f"-l: {part.strip()!r} is not LABEL=VALUE")
        found[key] = value.removeprefix("=")
    return found
