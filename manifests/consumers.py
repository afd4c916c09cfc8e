"""The generated tables of docs/consumers.md: what the consumer families declare about themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from etpguard.assess.consumers.interface import ConsumerFamily, DocumentedConsumer
from etpguard.assess.consumers.registry import consumer_families

_COLUMNS = ("consumer", "found by", "eligible nodes", "health check", "with `Local`", "evidence", "source")
_CORE = frozenset({"", "apps", "discovery.k8s.io", "networking.k8s.io"})
"""API groups that every cluster serves."""


def documented_by(family: ConsumerFamily) -> Sequence[DocumentedConsumer]:
    """The rows of a family; empty for one that declares none."""
    rows: Sequence[DocumentedConsumer] = getattr(family, "documented", ())
    return rows


def table() -> str:
    """A row for each documented consumer, by name. The rows that say "any other" come last."""
    rows = [row for family in consumer_families() for row in documented_by(family)]
    rows.sort(key=lambda row: (row.consumer.startswith("any other"), row.consumer.strip("`").casefold()))
    return "".join((_row(*_COLUMNS), _row(*("---" for _ in _COLUMNS)), *map(_documented, rows)))


def kinds() -> str:
    """A row for each API group beyond the core ones: its resources, and the consumers that need them."""
    resources: dict[str, dict[str, None]] = defaultdict(dict)
    readers: dict[str, dict[str, None]] = defaultdict(dict)
    for family in consumer_families():
        for kind in family.kinds:
            if kind.group not in _CORE:
                resources[kind.group][f"`{kind.plural}`"] = None
                readers[kind.group][_title(family)] = None
    groups = sorted(resources)
    rows = [_row(f"`{group}`", ", ".join(resources[group]), ", ".join(readers[group])) for group in groups]
    return "".join((_row("API group", "resources", "for"), _row("---", "---", "---"), *rows))


def _title(family: ConsumerFamily) -> str:
    rows = documented_by(family)
    return rows[0].consumer if rows else family.name


def _documented(row: DocumentedConsumer) -> str:
    return _row(
        row.consumer,
        row.found_by,
        row.nodes,
        row.health_check,
        row.with_local,
        row.evidence.value,
        row.source,
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
