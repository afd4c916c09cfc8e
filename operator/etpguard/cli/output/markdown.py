"""A CoverageReport as Markdown, for the summary of a pipeline or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from etpguard.objects.text import harmless, listed
from etpguard.outcomes import Outcome

Json = Mapping[str, Any]

NAMED = 5
_HEADER = ("| Outcome | Service | Uncovered | Nodes | Reason |", "|---|---|---|---|---|")
_NO_MENTION = "@&#8203;"
"""An @ and a space of no width, as Renovate and Dependabot write it."""
_REFERENCE = re.compile(r"(#|\bGH\\-)(?=\d)", re.IGNORECASE)
"""Of an issue, once it is escaped: kubernetes\\#1 and GH\\-1 are links too."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def markdown(reports: Sequence[Json], failed: Mapping[str, str]) -> str:
    """Several clusters have a section each. The section of a cluster that could not be read (`failed`) says
    why."""
    sections = [_section(report) for report in reports]
    sections += [f"## {_escaped(cluster)}\n\nNot read: {_escaped(why)}\n" for cluster, why in failed.items()]
    return "\n".join(sections)


def _section(report: Json) -> str:
    """A table of the Services, the worst first, and the assumptions and warnings below it."""
    head = [f"## {_escaped(report['cluster'])}", ""] if "cluster" in report else []
    services = sorted(
        report["services"], key=lambda each: (-Outcome[each["outcome"]], each["namespace"], each["name"])
    )
    if services:
        lines = [*head, *_HEADER, *map(_row, services)]
    else:
        lines = [*head, "No Service with externalTrafficPolicy Local is reachable from outside."]
    if report["internal"]:
        inside = sorted(report["internal"], key=lambda each: (-Outcome[each["outcome"]], each["namespace"]))
        lines += ["", "**Clients in the cluster** (internalTrafficPolicy Local)", "", *_HEADER]
        lines += map(_internal_row, inside)
    for title, field in (("Assumed", "assumptions"), ("Warnings", "warnings")):
        if report[field]:
            lines += ["", f"**{title}**", "", *(f"- {_escaped(each)}" for each in report[field])]
    return "\n".join(lines) + "\n"


def _internal_row(entry: Json) -> str:
    causes = [
        f"{cause['counts']['nodes']}: {', and '.join(reason['message'] for reason in cause['reasons'])}"
        for cause in entry["causes"]
    ]
    return _cells(entry, entry["uncoveredNodes"], "; ".join(causes) or entry["reason"])


def _row(service: Json) -> str:
    worst = max(service["consumers"], key=lambda each: Outcome[each["outcome"]], default=None)
    return _cells(service, list((worst or {}).get("uncoveredNodes", ())), service.get("reason", ""))


def _cells(service: Json, names: Sequence[str], reason: str) -> str:
    counts = service["counts"]
    shown = listed(names, NAMED, counts["uncovered"]) if names else ""
    cells = (
        service["outcome"],
        f"{service['namespace']}/{service['name']}",
        f"{counts['uncovered']}/{counts['eligible']}" if counts["eligible"] else "-",
        shown or "-",
        reason,
    )
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Text of objects is not markup, and a table has one line for each row. GitHub makes links of addresses and
    issues, and notifies whom a text mentions, with a backslash before it too."""
    plain = harmless(" ".join(text.split())).replace("&", "&amp;")
    plain = _REFERENCE.sub(r"\1&#8203;", _SPECIAL.sub(r"\\\1", plain))
    return plain.replace("@", _NO_MENTION).replace("://", r"\://").replace("www.", r"www\.")
