"""`etpguard check`: the report of all Services, and the exit code for a pipeline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output.streams import complain, deliver

if TYPE_CHECKING:
    from etpguard.assess import Assessment


SHOWN_ASSUMPTIONS = 5
"""Assumptions that have a warning each; the rest is counted."""


@dataclass(frozen=True)
class CheckRequest:
    """`namespace` "" means all; `fail_on` is the name of an outcome, or "never"; `max_nodes` 0 means all names."""

    sources: Sources
    namespace: str = ""
    output: str = "table"
    max_nodes: int = 100
    fail_on: str = "Blackhole"
    strict: bool = False
    policies: Sequence[str] = ()
    """Files of policies. The table shows what they would do instead of the outcomes; JSON and YAML show both."""


def check(request: CheckRequest) -> int:
    """Print the report. Returns 1 if a Service has the outcome `fail_on` or a worse one, else 0. With `policies`
    always 0. Raises Failure."""
    from etpguard.assess import Outcome

    if request.policies:
        return _check_policies(request)
    assessed = _assessed(request, request.sources)
    chosen = _chosen(assessed)
    deliver(lambda: _show(request, assessed, chosen))
    warn(assessed.warnings)
    warn(assumed(chosen))
    fail_on = Outcome.__members__.get(request.fail_on)
    return int(fail_on is not None and any(assessment.outcome >= fail_on for assessment in chosen))


def _check_policies(request: CheckRequest) -> int:
    from etpguard.cli import policy_preview

    if request.output in ("junit", "markdown", "html"):
        raise Failure(f"-o {request.output} does not show policies: use table, json or yaml with --policy")
    if "-" in request.policies and "-" in request.sources.files:
        raise Failure("stdin cannot be both -f and --policy")
    given = policy_preview.read(request.policies, request.namespace)
    assessed = _assessed(request, replace(request.sources, for_policies=True))
    rows = policy_preview.explain(assessed, given, request.namespace)
    assessed.loaded.warnings += policy_preview.not_looked_for(assessed.loaded.picture, rows)

    def show() -> None:
        if request.output in ("json", "yaml"):
            would = [row.as_json() for row in rows]
            _structured(request, assessed, _chosen(assessed), would)
        else:
            policy_preview.show(rows)

    deliver(show)
    warn(assessed.warnings)
    return 0


def _assessed(request: CheckRequest, sources: Sources) -> Assessed:
    assessed = assess(sources)
    problems = [*assessed.loaded.malformed, *(f"{kind} could not be read" for kind in assessed.loaded.not_read)]
    if request.strict and problems:
        raise Failure(_strict(problems))
    return assessed


def _chosen(assessed: Assessed) -> list[Assessment]:
    """The assessments in the namespace of the command, sorted."""
    return [
        assessment
        for key, assessment in sorted(assessed.assessments.items())
        if assessed.namespace in ("", key.namespace)
    ]


def _show(request: CheckRequest, assessed: Assessed, chosen: Sequence[Assessment]) -> None:
    if request.output in ("json", "yaml", "junit", "markdown"):
        _structured(request, assessed, chosen)
    elif request.output == "html":
        from etpguard.cli.output.html import html

        sys.stdout.flush()
        sys.stdout.buffer.write(html(assessed, chosen).encode())
    else:
        from etpguard.cli.output import table

        table.show(assessed, chosen, wide=request.output == "wide", max_nodes=request.max_nodes)


def warn(lines: Sequence[str]) -> None:
    for line in lines:
        complain(f"etpguard: warning: {' '.join(line.split())}")


def assumed(chosen: Sequence[Assessment]) -> list[str]:
    """A line for each assumption that outcomes of these Services rest on."""
    resting: dict[str, list[str]] = {}
    for assessment in chosen:
        for text in assessment.assumptions:
            resting.setdefault(text, []).append(str(assessment.key))
    lines = [f"assumed for {_some(names)}: {text}" for text, names in list(resting.items())[:SHOWN_ASSUMPTIONS]]
    if more := len(resting) - len(lines):
        lines.append(f"{more} more {'assumption' if more == 1 else 'assumptions'}: -o wide shows all")
    return lines


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _strict(problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"--strict: {problems[0]}{more}"


def _structured(
    request: CheckRequest,
    assessed: Assessed,
    chosen: Sequence[Assessment],
    remediations: Sequence[dict[str, Any]] | None = None,
) -> None:
    from etpguard.assess.internal_advice import InternalAdvisor
    from etpguard.report import Contents, coverage_report
    from etpguard.report.advice import advice_texts

    contents = Contents(
        planes=assessed.engine.planes,
        nodes=assessed.loaded.picture.nodes.present,
        assessments=chosen,
        table=assessed.loaded.picture.nodes,
        advice=advice_texts(assessed.advisor),
        max_nodes=request.max_nodes,
        warnings=assessed.warnings,
        not_read=assessed.loaded.not_read,
        remediations=remediations,
        internal=[
            assessment
            for key, assessment in assessed.internal.items()
            if assessed.namespace in ("", key.namespace)
        ],
        internal_advice=advice_texts(InternalAdvisor(assessed.loaded.picture)),
    )
    if request.output == "json":
        from etpguard.cli.output.json_report import json_report

        parts = json_report(contents)
        sys.stdout.flush()
        sys.stdout.buffer.writelines(parts)
    elif request.output == "junit":
        from etpguard.cli.output.junit import junit
        from etpguard.outcomes import Outcome

        print(junit(coverage_report(contents), Outcome.__members__.get(request.fail_on)))
    elif request.output == "markdown":
        from etpguard.cli.output.markdown import markdown

        print(markdown(coverage_report(contents)), end="")
    else:
        from etpguard.cli.output.structured import write_yaml

        write_yaml(coverage_report(contents), sys.stdout)
