"""The table for people: a line for each Service, the worst first."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etpguard.assess import Assessment, Outcome
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.evidence import Evidence
from etpguard.cli.output.streams import complain
from etpguard.objects import Key
from etpguard.objects.shell import command_line
from etpguard.objects.text import harmless, listed
from etpguard.report import explain_reason
from etpguard.report.data_planes import assumed_data_planes
from etpguard.report.resilience import tolerates

if TYPE_CHECKING:
    from rich.table import Table

    from etpguard.cli.input.sources import Assessed
    from etpguard.cli.reading import ClusterReport, Reading

NAMED = 3
"""How many uncovered nodes a line names."""

FOLDED = 16
"""The least width of a folded column of the table on a terminal."""
_GAP = 2

_STYLE = {
    Outcome.NotAffected: "dim",
    Outcome.Covered: "green",
    Outcome.TargetsUnhealthy: "yellow",
    Outcome.NoEndpoints: "yellow",
    Outcome.Unknown: "magenta",
    Outcome.Uncovered: "bold yellow",
    Outcome.Blackhole: "bold red",
    Outcome.NoTargets: "bold white on red",
    Outcome.Outage: "bold white on red",
}
_CODES = {
    Outcome.NotAffected: "2",
    Outcome.Covered: "32",
    Outcome.TargetsUnhealthy: "33",
    Outcome.NoEndpoints: "33",
    Outcome.Unknown: "35",
    Outcome.Uncovered: "1;33",
    Outcome.Blackhole: "1;31",
    Outcome.NoTargets: "1;37;41",
    Outcome.Outage: "1;37;41",
}
"""The same styles as codes for the terminal."""
_CLUSTER = ("CLUSTER",)
_HEADER = ("OUTCOME", "SERVICE", "UNCOVERED", "NODES")
_WHOLE = ("OUTCOME", "UNCOVERED", "TYPE")
"""The columns that are not folded."""
_WIDE = ("TYPE", "PORTS", "CONSUMERS", "TOLERATES", "REASON", "ASSUMPTIONS")


def show(reading: Reading, *, wide: bool, max_nodes: int) -> None:
    """Print the table to stdout: on a terminal in colour and folded to its width, otherwise in whole lines."""
    found = [(each, assessment) for each in reading.reports for assessment in each.chosen]
    if not found:
        print(_nothing(reading))
        return
    found.sort(key=lambda pair: (-pair[1].outcome, -pair[1].uncovered.bit_count(), pair[0].cluster, pair[1].key))
    ordered = [assessment for _, assessment in found]
    rows = [
        (*_cluster(reading, each), *row(each.assessed, assessment, wide=wide, max_nodes=max_nodes))
        for each, assessment in found
    ]
    header = (*(_CLUSTER if reading.fleet else ()), *_HEADER, *(_WIDE if wide else ()))
    color = reading.reports[0].assessed.sources.settings.color
    print_table(header, rows, [assessment.outcome for assessment in ordered], color)
    print(f"\n{summary(ordered)}")
    for each in reading.reports:
        for line in footnotes(each.assessed, each.chosen, wide=wide):
            print(f"{each.cluster}: {line}" if each.cluster else line)
    if not wide and ordered[0].outcome > Outcome.Covered:
        command = explain_command(found[0][0].assessed, ordered[0].key)
        print(f"\nFor the reason and what to do:\n  {harmless(command)}")


def _nothing(reading: Reading) -> str:
    namespaces = reading.reports[0].assessed.namespaces
    where = f" in namespace {' or '.join(namespaces)}" if namespaces else ""
    matches = " matches" if reading.selected else ""
    return f"No Service with externalTrafficPolicy Local that is reachable from outside{where}{matches}."


def _cluster(reading: Reading, each: ClusterReport) -> tuple[str, ...]:
    return (each.cluster,) if reading.fleet else ()


def row(assessed: Assessed, assessment: Assessment, *, wide: bool, max_nodes: int) -> tuple[str, ...]:
    """The cells of one Service, one line each."""
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    named = min(NAMED, max_nodes) if max_nodes and not wide else (max_nodes if wide else NAMED)
    cells = (
        _outcome(assessment),
        str(assessment.key),
        f"{uncovered}/{eligible}" if eligible else "-",
        nodes(assessed.loaded.picture.nodes.names(assessment.uncovered, named), uncovered),
    )
    if not wide:
        return cells
    numbers = dict.fromkeys(f"{p.port or p.number}:{p.node_port or '-'}/{p.protocol}" for p in assessment.ports)
    consumers = dict.fromkeys(f"{v.consumer} ({v.outcome.name}{_assumed(v)})" for v in assessment.consumers)
    return (
        *cells,
        assessment.type,
        ", ".join(numbers) or "-",
        ", ".join(consumers) or "-",
        tolerates(assessment.resilience),
        explain_reason(assessment),
        " | ".join(assessment.assumptions) or "-",
    )


def _outcome(assessment: Assessment) -> str:
    """The outcome. Unknown has the code of its reason, and a remediated Service is marked."""
    if assessment.if_local is not None:
        return f"{assessment.outcome.name} (remediated)"
    code = assessment.reason.code
    return f"Unknown ({code})" if assessment.outcome is Outcome.Unknown else assessment.outcome.name


def nodes(names: Sequence[str], total: int) -> str:
    """The names of some nodes, shortened, and how many more there are."""
    if not total:
        return "-"
    return listed([_short(name, names) for name in names], len(names), total) if names else str(total)


def _short(name: str, names: Sequence[str]) -> str:
    head = name.partition(".")[0]
    return head if sum(n.partition(".")[0] == head for n in names) == 1 and not head.isdigit() else name


def plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose columns are padded with spaces and not cut: for pipes, logs and grep."""
    lines = [tuple(map(harmless, line)) for line in (header, *rows)]
    widths = _widths(lines)
    return ["   ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def summary(ordered: Sequence[Assessment]) -> str:
    """How many Services with Local have each outcome, the worst first, and how many are remediated."""
    local = [assessment for assessment in ordered if assessment.if_local is None]
    counts = Counter(assessment.outcome.name for assessment in local)
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    remediated = len(ordered) - len(local)
    parts = []
    if local:
        parts.append(f"{_services(len(local))} with externalTrafficPolicy Local: {listed}")
    if remediated:
        parts.append(f"{_services(remediated)} remediated to Cluster")
    return "\n".join(parts)


def _services(number: int) -> str:
    return f"{number} Service{'s' if number != 1 else ''}"


def footnotes(assessed: Assessed, ordered: Sequence[Assessment], *, wide: bool) -> list[str]:
    """The assumed data plane, and how many Services rest on another assumption."""
    resting = sum(bool(assessment.assumptions) for assessment in ordered)
    where = "see the column ASSUMPTIONS" if wide else "-o wide shows it"
    own = f"{resting} {'Service rests' if resting == 1 else 'Services rest'} on an assumption: {where}."
    plane = assumed_data_planes(assessed.engine.planes, assessed.loaded.picture.nodes.present)
    return [*(f"Assumed: {line}." for line in plane), *([own] if resting else [])]


def explain_command(assessed: Assessed, service: Key) -> str:
    """The command that explains this Service, from the same sources."""
    sources = assessed.sources
    options = [part for name in sources.files for part in ("-f", name)]
    for flag, value, default in (
        ("--kubeconfig", sources.settings.kubeconfig, ""),
        ("--context", sources.settings.context, ""),
        ("--as", sources.settings.as_, ""),
        *(("--as-group", group, "") for group in sources.settings.as_group),
        ("--data-plane", sources.settings.data_plane, "auto"),
    ):
        options += [flag, value] if value != default else []
    return command_line(["etpguard", "explain", str(service), *options])


def _assumed(verdict: ConsumerVerdict) -> str:
    return f", {Evidence.ASSUMED.value}" if verdict.consumer.evidence is Evidence.ASSUMED else ""


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], outcomes: Sequence[Outcome], color: str
) -> None:
    """Print a line for each outcome: on a terminal folded and in colour, elsewhere padded."""
    if sys.stdout.isatty():
        _draw(header, rows, outcomes, color)
    elif color == "always":
        print("\n".join(_coloured(header, rows, outcomes)))
    else:
        print("\n".join(plain(header, rows)))


def _coloured(header: Sequence[str], rows: Sequence[Sequence[str]], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of `plain`, with the outcomes in colour."""
    head, *lines = plain(header, rows)
    yield head
    at = head.index("OUTCOME")
    for line, cells, outcome in zip(lines, rows, outcomes, strict=True):
        end = at + len(harmless(cells[header.index("OUTCOME")]))
        yield f"{line[:at]}\x1b[{_CODES[outcome]}m{line[at:end]}\x1b[0m{line[end:]}"


def _draw(header: Sequence[str], rows: Sequence[Sequence[str]], outcomes: Sequence[Outcome], color: str) -> None:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print("\n".join(plain(header, rows)))
        complain("etpguard: for a table in colour that fits the terminal, install etpguard[cli]")
        return
    off = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    console = Console(no_color=off, color_system="standard" if color == "always" else "auto", highlight=False)
    if console.width < _least(header, rows):
        print("\n".join(plain(header, rows)))
        return
    made = _table(header)
    coloured = header.index("OUTCOME")
    for cells, outcome in zip(rows, outcomes, strict=True):
        texts = [Text(harmless(cell)) for cell in cells]
        texts[coloured].stylize(_STYLE[outcome])
        made.add_row(*texts)
    console.print(made)


def _least(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The least width of the table. In less, columns would be cut off, or folded to a few characters."""
    widths = zip(header, _widths([header, *rows]), strict=True)
    return sum(_GAP + (width if name in _WHOLE else min(width, FOLDED)) for name, width in widths) - _GAP


def _table(header: Sequence[str]) -> Table:
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in header:
        made.add_column(name, no_wrap=name in _WHOLE, overflow="fold")
    return made
