"""The command `what-if` and its options."""

from __future__ import annotations

from typing import Any

import click

from etpguard.cli.common_options import fail_on, internal, max_nodes, output_format, sources, take_sources
from etpguard.cli.what_if.changes import CHANGES, ChangesCommand


@click.command("what-if", cls=ChangesCommand, short_help="Show what a change would do, without making it.")
@sources
@output_format("table", "json", "yaml")
@max_nodes(100, "list at most this many names of nodes; 0 for all")
@fail_on("exit with 1 if a Service that changes has this outcome or a worse one, during the change or after it")
@internal
def what_if(**options: Any) -> int:
    """Show what a change would do to Services with externalTrafficPolicy: Local. Changes nothing.

    \b
    Changes, separated by the word `then`:
      lose NODE... | zone=ZONE | -l SELECTOR
      drain NODE... [--by kubectl|karpenter|cluster-autoscaler] [--then-delete]
            [--force] [--delete-emptydir-data]
      scale NAMESPACE/KIND/NAME=N
      rollout NAMESPACE/KIND/NAME
      policy NAMESPACE/SERVICE=Cluster|Local
      target-nodes NAMESPACE/SERVICE -l LABEL=VALUE
      apply -f FILE [-n NAMESPACE]

    \b
    Exit codes:
      0  no Service that changes reaches the outcome of --fail-on
      1  a Service reaches it, during the change or in the worst case after it, or loses its last endpoint
      2  the forecast could not be completed
    """
    from etpguard.cli.what_if.command import WhatIfRequest
    from etpguard.cli.what_if.command import what_if as run_what_if

    changes = click.get_current_context().meta[CHANGES]
    if "-" in options["files"] and any("-" in each.files for each in changes):
        raise click.UsageError("stdin cannot be both -f and apply -f")
    given = take_sources(options, ())
    return run_what_if(WhatIfRequest(given, changes, **options))
