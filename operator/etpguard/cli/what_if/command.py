"""`etpguard what-if`: what a change would do, before it is made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output.streams import deliver, warn
from etpguard.cli.what_if.changes import Words, change
from etpguard.outcomes import Outcome

if TYPE_CHECKING:
    from etpguard.cli.what_if.report import WhatIf


@dataclass(frozen=True)
class WhatIfRequest:
    """`fail_on` is the name of an outcome, or "never"; `max_nodes` 0 means all names."""

    sources: Sources
    changes: Sequence[Words]
    output: str = "table"
    max_nodes: int = 100
    fail_on: str = "Blackhole"
    internal: bool = False
    """Whether `fail_on` also counts what clients in the cluster lose."""


def what_if(request: WhatIfRequest) -> int:
    """Print the report. Returns 1 if a Service that changes reaches `fail_on`, during the changes or in the worst
    case after them, else 0. Raises Failure."""
    assessed = assess(replace(request.sources, for_what_if=True))
    from etpguard.foresight.changes import Refused  # it loads the rules, so it waits for the lists to begin
    from etpguard.foresight.what_if import what_if as forecast_of

    picture = assessed.loaded.picture
    try:
        changes = [change(given, picture, assessed.loaded.default_namespace) for given in request.changes]
        forecast = forecast_of(picture, assessed.engine, changes)
    except Refused as refused:
        raise Failure(str(refused)) from None
    from etpguard.cli.what_if import report

    given = report.WhatIf(
        forecast,
        picture.nodes,
        assessed.warnings,
        _not_read(assessed),
        _assumptions(assessed),
        request.max_nodes,
    )
    deliver(lambda: _show(request, given))
    warn([*forecast.warnings, *assessed.warnings])
    fail_on = Outcome.__members__.get(request.fail_on)
    if fail_on is None:
        return 0
    counted = [*forecast.services, *(forecast.internal if request.internal else ())]
    return int(any(phases.reaches(fail_on) for phases in counted))


def _not_read(assessed: Assessed) -> list[str]:
    """What could not be read, each resource once; of workloads also what the input does not have."""
    from etpguard.foresight.what_if import unread_kinds

    lacking = [kind.resource for kind in unread_kinds(assessed.loaded.picture)]
    return list(dict.fromkeys([*assessed.loaded.not_read, *lacking]))


def _assumptions(assessed: Assessed) -> list[str]:
    from etpguard.report.data_planes import assumed_data_planes

    return assumed_data_planes(assessed.engine.planes, assessed.loaded.picture.nodes.present)


def _show(request: WhatIfRequest, given: WhatIf) -> None:
    from etpguard.cli.what_if import report

    if request.output == "table":
        from etpguard.objects.text import harmless

        print("\n".join(harmless(line) for line in report.lines(given)))
        return
    from etpguard.cli.output.structured import print_json, write_yaml

    made = report.report(given)
    if request.output == "json":
        print_json(made)
    else:
        write_yaml(made, sys.stdout)
