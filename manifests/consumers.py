"""The generated parts of docs/consumers.md: what the consumer families declare about themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from etpguard.assess.consumers.interface import ConsumerFamily, DocumentedConsumer
from etpguard.assess.consumers.registry import consumer_families

_GROUPS = {
    "AWS": ("aws_cloud_provider", "aws_lbc", "eks_auto"),
    "Azure": ("azure",),
    "Google Cloud": ("gke",),
    "Other clouds": ("clouds.provider",),
    "On premises": ("metallb", "kube_vip", "cilium", "on_premises", "k3s_servicelb"),
    "Ingress controllers and node ports": ("in_cluster_proxies", "traefik", "node_dns"),
}
"""By heading: how the modules of its families begin, in `etpguard.assess.consumers.families`."""
_OTHERS = "Consumers that are not certain"
"""The heading of the families in all other modules."""
NO_SOURCE = "–"
_READERS = {
    "aws-load-balancer-controller": "AWS Load Balancer Controller",
    "cilium": "Cilium",
    "gke-ingress": "Google Cloud Ingress",
}
"""By name: what the kinds of a family with several documented consumers are for."""
_CORE = frozenset({"", "apps", "discovery.k8s.io", "networking.k8s.io"})
"""API groups that every cluster serves."""


def documented_by(family: ConsumerFamily) -> Sequence[DocumentedConsumer]:
    """The entries of a family; empty for one that declares none."""
    rows: Sequence[DocumentedConsumer] = getattr(family, "documented", ())
    return rows


def entries() -> str:
    """A list of links to the documented consumers, and an entry for each, by group and name."""
    groups = _by_group()
    index = [f"- **{group}:** {', '.join(map(_link, rows))}\n" for group, rows in groups.items()]
    sections = [f"\n### {group}\n{''.join(map(_entry, rows))}" for group, rows in groups.items()]
    return "".join((*index, *sections))


def kinds() -> str:
    """A row for each API group beyond the core ones: its resources, and the consumers that need them."""
    resources: dict[str, dict[str, None]] = defaultdict(dict)
    readers: dict[str, dict[str, None]] = defaultdict(dict)
    for family in consumer_families():
        for each in (each for kind in family.kinds for each in kind.served(None)):
            if each.group not in _CORE:
                resources[each.group][f"`{each.plural}`"] = None
                readers[each.group][_title(family)] = None
    groups = sorted(resources)
    rows = [_row(f"`{group}`", ", ".join(resources[group]), ", ".join(readers[group])) for group in groups]
    return "".join((_row("API group", "resources", "for"), _row("---", "---", "---"), *rows))


def _title(family: ConsumerFamily) -> str:
    if family.name in _READERS:
        return _READERS[family.name]
    (row,) = documented_by(family)
    return row.consumer


def _by_group() -> dict[str, list[DocumentedConsumer]]:
    groups: dict[str, list[DocumentedConsumer]] = {group: [] for group in (*_GROUPS, _OTHERS)}
    for family in consumer_families():
        groups[_group(family)] += documented_by(family)
    for rows in groups.values():
        rows.sort(key=lambda row: row.consumer.strip("`").casefold())
    return groups


def _group(family: ConsumerFamily) -> str:
    module = type(family).__module__.removeprefix("etpguard.assess.consumers.families.")
    return next((group for group, modules in _GROUPS.items() if module.startswith(modules)), _OTHERS)


def _link(row: DocumentedConsumer) -> str:
    """To the heading of the entry, by the rule of GitHub and MyST for anchors."""
    anchor = re.sub(r"[^\w -]", "", row.consumer.lower()).replace(" ", "-")
    return f"[{row.consumer}](#{anchor})"


def _entry(row: DocumentedConsumer) -> str:
    lines = (
        f"**Found by:** {row.found_by}",
        f"**Eligible nodes:** {row.nodes}",
        f"**Health check:** {row.health_check}",
        f"**With `Local`:** {row.with_local}",
        f"**Evidence:** {row.evidence.value}" + (f", {row.source}" if row.source != NO_SOURCE else ""),
    )
    return f"\n#### {row.consumer}\n\n" + "".join(f"- {line}\n" for line in lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
