"""`etpguard check`: the report of all Services, and the exit code that a pipeline acts on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etpguard.cli.errors import Failure
from etpguard.cli.output import deliver
from etpguard.cli.sources import Assessed, Sources, assess

if TYPE_CHECKING:
    from etpguard.assess import Assessment


@dataclass(frozen=True)
class Request:
    """`namespace` "" means all; `fail_on` is the name of an outcome; `max_nodes` 0 means all names."""

    sources: Sources
    namespace: str = ""
    output: str = "table"
    max_nodes: int = 100
    fail_on: str = "Blackhole"
    strict: bool = False
    policies: Sequence[str] = ()
    """Files of policies: what they would do is printed in the report's place."""


def check(request: Request) -> int:
    """Print the report. Returns 1 if an outcome is at or above `fail_on`, else 0. Raises Failure."""
    from etpguard.assess import Outcome

    if request.policies:
        return _check_policies(request)
    assessed = assess(request.sources)
    if request.strict and assessed.reading.malformed:
        raise Failure(_strict(assessed.reading.malformed))
    chosen = [
        assessment
        for key, assessment in sorted(assessed.assessments.items())
        if not request.namespace or key.namespace == request.namespace
    ]
    deliver(lambda: _show(request, assessed, chosen))
    warn(assessed.warnings)
    return int(any(assessment.outcome >= Outcome[request.fail_on] for assessment in chosen))


def _check_policies(request: Request) -> int:
    from etpguard.cli import policies

    if request.output not in ("table", "wide"):
        raise Failure(f"-o {request.output} does not go with --policy")
    given = policies.read(request.policies, request.namespace)
    assessed = assess(replace(request.sources, for_policies=True))
    deliver(lambda: policies.show(assessed, given, request.namespace))
    warn(assessed.warnings)
    return 0


def _show(request: Request, assessed: Assessed, chosen: Sequence[Assessment]) -> None:
    if request.output in ("json", "yaml"):
        _structured(request, assessed, chosen)
    else:
        from etpguard.cli import table

        table.show(assessed, chosen, wide=request.output == "wide", max_nodes=request.max_nodes)


def warn(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"etpguard: warning: {' '.join(line.split())}", file=sys.stderr)


def _strict(malformed: Sequence[str]) -> str:
    more = f" (and {len(malformed) - 1} more)" if len(malformed) > 1 else ""
    return f"{malformed[0]}{more}"


def _structured(request: Request, assessed: Assessed, chosen: Sequence[Assessment]) -> None:
    import msgspec

    from etpguard.report import Contents, coverage_report

    contents = Contents(
        data_plane=assessed.data_plane,
        data_plane_how=assessed.data_plane_how,
        assessments=chosen,
        table=assessed.reading.picture.nodes,
        advice=assessed.advisor,
        max_nodes=request.max_nodes,
        warnings=assessed.warnings,
        not_read=assessed.reading.not_read,
    )
    report = coverage_report(contents)
    if request.output == "json":
        made = msgspec.json.format(msgspec.json.encode(report), indent=2)
        sys.stdout.write(made.decode() + "\n")
    else:
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        yaml.dump(report, sys.stdout, Dumper=dumper, sort_keys=False, allow_unicode=True)
