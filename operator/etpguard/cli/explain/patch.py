"""`etpguard explain --patch`: the advice for a Service as documents that can be applied."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed
from etpguard.cli.inside.findings import Finding, advice_for
from etpguard.cli.output.streams import complain, deliver, warn
from etpguard.cli.output.structured import write_yaml
from etpguard.foresight.patches.ways import FILE, Document, Way, internal_ways, ways
from etpguard.foresight.world import World
from etpguard.objects import SERVICE, Key, Service
from etpguard.objects.text import harmless

if TYPE_CHECKING:
    from typing import TextIO

WIDTH = 98


def external_ways(assessed: Assessed, key: Key) -> list[Way]:
    """The advice for external traffic. Needs input with workloads. Empty if the Service is not assessed."""
    assessment = assessed.assessments.get(key)
    service = assessed.loaded.picture.get(SERVICE, key)
    if assessment is None or service is None:
        return []
    world = World(assessed.loaded.picture, assessed.engine)
    return ways(service, assessment, assessed.advisor(assessment), world)


def inside_ways(assessed: Assessed, inside: Iterable[Finding], first: int) -> list[Way]:
    """The advice for clients in the cluster. Its numbers begin with `first`, as in the explanation."""
    world = World(assessed.loaded.picture, assessed.engine)
    made: list[Way] = []
    for finding in inside:
        service = assessed.loaded.picture.get(SERVICE, finding.key)
        if service is not None:
            made += internal_ways(service, finding.assessment, advice_for(assessed, finding), world, first)
    return made


def print_patches(assessed: Assessed, service: Service, inside: Iterable[Finding], only: int | None) -> int:
    """Print the documents as YAML to stdout, each after a comment. stderr names the advice without a document, and
    what is not known. `only` is the number of one advice, None for all. Returns 0. Raises Failure if this number
    does not exist."""
    found = external_ways(assessed, service.key)
    found += inside_ways(assessed, inside, len(found) + 1)
    if only is not None and not any(way.number == only for way in found):
        known = f"the ways out are 1 to {len(found)}" if found else "it has none"
        raise Failure(f"Service {service.key} has no way out number {only}: {known}")
    shown = [way for way in found if only in (None, way.number)]
    deliver(lambda: write(shown, sys.stdout))
    if not found:
        complain(f"etpguard: no change of Service {service.key} is advised")
    for way in shown:
        for line in remarks(way):
            complain(f"etpguard: {line}")
    warn(assessed.warnings)
    return 0


def write(shown: Sequence[Way], to: TextIO) -> None:
    """The documents as a YAML stream."""
    for way in shown:
        for document in way.documents:
            to.write("---\n")
            for line in _comment(way, document):
                to.write(f"# {line}\n")
            write_yaml(document.content, to)


def _comment(way: Way, document: Document) -> Iterator[str]:
    """What the document does, what it costs, and how to apply it."""
    yield from _folded(f"{way.number}. {way.advice.title}.")
    for part in (way.effect, way.cost):
        if part:
            yield from _folded(part)
    where = f"Save this document as {FILE}, for example by --patch --way {way.number}. To apply it"
    yield f"{where}, as Helm values:" if document.values else f"{where}:"
    yield f"  {_one_line(document.command)}"


def _folded(text: str) -> list[str]:
    return textwrap.wrap(_one_line(text), WIDTH, break_long_words=False, break_on_hyphens=False)


def _one_line(text: str) -> str:
    """In one line: a line feed in a name of an object must not end the comment."""
    return " ".join(harmless(text).splitlines())


def remarks(way: Way) -> Iterator[str]:
    """The lines for stderr about one advice."""
    if not way.documents:
        yield f"no document for way {way.number} ({way.advice.title}): {'; '.join(way.notes)}"
        return
    yield from (f"way {way.number}: {note}" for note in way.notes)
