"""Read a live cluster, and write what was read as one List."""

from __future__ import annotations

import gc
import io
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from etpguard import __version__
from etpguard.cli.dump.objects import dumped_named, dumped_objects
from etpguard.cli.dump.vocabulary import vocabulary
from etpguard.cli.errors import Failure
from etpguard.cli.input import cluster_dump
from etpguard.cli.input.sources import Sources, read_cluster
from etpguard.cli.output.streams import deliver, warn
from etpguard.cli.output.structured import write_yaml
from etpguard.objects import Key
from etpguard.objects.text import listed

if TYPE_CHECKING:
    from etpguard.assess.consumers.interface import ConsumerFamily
    from etpguard.cli.input.loaded import Loaded

Json = dict[str, Any]


def dump(sources: Sources, output: str, *, anonymize: bool = False) -> int:
    """Write the List to the file `output`, or to stdout for "-". Returns 0. Raises Failure."""
    gc.disable()  # as in input.sources.assess
    loaded, families, namespaces = read_cluster(sources)
    from etpguard.cli.dump.namespace import needed_services  # it loads the rules: after the lists began

    namespace = next(iter(namespaces), "")
    head = cluster_dump.describe(loaded, __version__, namespace)
    services = needed_services(loaded.picture, families, namespace) if namespace else None
    reads = _reads_annotation if sources.for_what_if else vocabulary().reads_annotation
    shown_by_name = {(named.kind.name, record.key) for named, record in loaded.named.records()}
    objects = (
        each
        for each in dumped_objects(loaded.picture, reads, services)
        if (each["kind"], _key(each)) not in shown_by_name
    )
    items = [head.as_object(), *objects, *dumped_named(loaded.named, reads)]
    if anonymize:
        items = _anonymized(items, loaded, families, namespace)
    _write(items, output)
    warn([*loaded.all_warnings(), *loaded.picture.unread.values()])
    return 0


def _reads_annotation(key: str) -> bool:
    """Whether the dump keeps the annotation; also those of Pods that `what-if` reads."""
    from etpguard.foresight.eviction import DO_NOT_DISRUPT, EVICT_DAEMONS, MIRROR, SAFE_TO_EVICT, SAFE_VOLUMES
    from etpguard.foresight.scale_in import DELETION_COST

    of_pods = (DO_NOT_DISRUPT, EVICT_DAEMONS, MIRROR, SAFE_TO_EVICT, SAFE_VOLUMES, DELETION_COST)
    return key in of_pods or vocabulary().reads_annotation(key)


def _key(item: Json) -> Key:
    return Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])


def _anonymized(
    items: list[Json], loaded: Loaded, families: Sequence[ConsumerFamily], namespace: str
) -> list[Json]:
    """The anonymized objects. Warns about Services whose outcome depends on names or addresses."""
    from etpguard.cli.dump.anonymize import Anonymizer
    from etpguard.cli.dump.comparison import changed_outcomes

    anonymizer = Anonymizer(vocabulary(), secrets.token_bytes(32), lambda: 1 + secrets.randbelow(9))
    anonymizer.learn(items)
    made = [anonymizer.item(item) for item in items]
    if changed := changed_outcomes(loaded.picture, families, made, anonymizer.text, namespace, loaded.named):
        names = listed(changed, 3)
        loaded.warnings.append(f"the anonymized dump has another outcome for {names}: it depends on names")
    return made


def _write(items: Sequence[Json], output: str) -> None:
    if output == "-":
        deliver(lambda: _print(f"{_as_json(items)}\n"))
        return
    text = _as_yaml(items) if output.endswith((".yaml", ".yml")) else f"{_as_json(items)}\n"
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{output}: {error.strerror}") from None


def _print(text: str) -> None:
    """In UTF-8, whatever the encoding of the terminal: JSON has no other."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _as_json(items: Sequence[Json]) -> str:
    """An object a line, for diff and grep."""
    lines = ",\n".join(msgspec.json.encode(item).decode() for item in items)
    return f'{{"apiVersion":"v1","kind":"List","items":[\n{lines}\n]}}'


def _as_yaml(items: Sequence[Json]) -> str:
    text = io.StringIO()
    write_yaml({"apiVersion": "v1", "kind": "List", "items": list(items)}, text)
    return text.getvalue()
