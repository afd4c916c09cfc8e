"""`etpguard explain`: read the cluster or the files, and print what etpguard knows about one Service."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output.command_line import Command
from etpguard.cli.output.streams import deliver, warn
from etpguard.objects import SERVICE, Key, Service
from etpguard.objects.text import did_you_mean, harmless, listed

if TYPE_CHECKING:
    from etpguard.cli.inside.findings import Finding

Lines = Iterable[str]


@dataclass(frozen=True)
class ExplainOptions:
    """`max_nodes`: names in each list of nodes; 0 for all. `hand_off`: also explain what happens when the last pod
    of a node ends. `patch`: print the advice as documents instead of the text. `way`: only the advice with this
    number. With `output` json the advice contains the documents."""

    max_nodes: int = 10
    hand_off: bool = False
    patch: bool = False
    way: int | None = None
    output: str = "text"
    """text or json"""


def explain(sources: Sources, name: str, options: ExplainOptions) -> int:
    """Print the explanation of the Service `name`, in the namespace of the sources, to stdout.

    Returns 0. Raises Failure if the Service does not exist.
    """
    assessed = assess(replace(sources, for_what_if=options.hand_off or options.patch))
    from etpguard.cli.explain import text  # it loads the rules, so it waits for the lists to begin

    key = Key(assessed.namespace, name)
    service = assessed.loaded.picture.get(SERVICE, key)
    if service is None:
        raise Failure(not_found(assessed, key))
    if options.patch and options.output == "text":
        from etpguard.cli.explain.patch import print_patches

        return print_patches(assessed, service, inside_of(assessed, service), options.way)
    width = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 0
    whole = list(text.lines(assessed, service, options.max_nodes, hand_off=options.hand_off))
    inside = inside_of(assessed, service)
    if inside:
        first = 1 + len(text.external_advice(assessed, assessed.assessments.get(key)))
        whole += _clients_inside(assessed, inside, options.max_nodes, first)
    if options.output == "json":
        from etpguard.cli.explain.as_json import explanation
        from etpguard.cli.output.structured import print_json

        deliver(lambda: print_json(explanation(assessed, service, inside, whole, options.max_nodes)))
        warn(assessed.warnings)
        return 0
    lines = [harmless(line) if isinstance(line, Command) else _fold(harmless(line), width) for line in whole]
    deliver(lambda: print("\n".join(lines)))
    warn(assessed.warnings)
    return 0


def inside_of(assessed: Assessed, service: Service) -> Sequence[Finding]:
    """What etpguard knows about clients in the cluster: one entry for a Service with `internalTrafficPolicy:
    Local`, none for others. Reads Pods and workloads only if clients fail."""
    assessment = assessed.internal.get(service.key)
    if assessment is None:
        return ()
    from etpguard.cli.inside.findings import findings

    return findings(assessed, [assessment])


def _clients_inside(assessed: Assessed, inside: Sequence[Finding], max_nodes: int, first: int) -> Lines:
    """The part about clients in the cluster. The numbers of its advice begin with `first`."""
    for finding in inside:
        from etpguard.cli.output.inside_story import lines

        yield from lines(assessed, finding, max_nodes, first)


def not_found(assessed: Assessed, key: Key) -> str:
    """The message of a Failure: which Service does not exist, where, and names that do: the one in another
    namespace, a similar one, or those that could be meant."""
    services = sorted(k for k in assessed.loaded.picture.store(SERVICE).keys() if k.name)  # noqa: SIM118
    as_dns = key.name.split(".")[:2]  # SERVICE.NAMESPACE.svc; no Service has a dot in its name
    elsewhere = [str(k) for k in services if k.name == key.name or as_dns == [k.name, k.namespace]]
    local = sorted(k.name for k in assessed.assessments if k.namespace == key.namespace)
    if elsewhere:
        hint = f"; there is {', '.join(elsewhere[:3])}"
    elif not (hint := did_you_mean(str(key), services)) and local:
        hint = f"; the Services with Local in this namespace: {listed(local, 3)}"
    if lacking := assessed.loaded.no_service_in(key.namespace):
        hint = f": {lacking}{hint}"
    return f"no Service {key} in {assessed.loaded.where}{hint}"


def _fold(line: str, width: int) -> str:
    """Fold at `width` columns, under the indent of the line. 0 does not fold."""
    if not width or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
