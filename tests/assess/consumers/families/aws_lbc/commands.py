"""A cluster after somebody has followed a piece of advice: its kubectl commands, carried out on the objects."""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Sequence
from typing import Any

from tests.assess.consumers.families.aws_lbc.objects import Json, Shop, endpoints, ingress_class, node, service


def followed(objects: Sequence[Json], text: str, on: Sequence[str] = ("a",), **given: Any) -> Shop:
    """A Shop of these objects with the commands in `text` carried out; one at least must be in it."""
    kinds = {made["kind"] for made in objects}
    made = {(o["kind"].lower(), o["metadata"]["name"]): copy.deepcopy(o) for o in objects}
    defaults = [] if "Node" in kinds else [node(name) for name in "abc"]
    for default in (*defaults, service(), endpoints("web", *on), ingress_class()):
        made.setdefault((default["kind"].lower(), default["metadata"]["name"]), default)
    assert _carried_out(made, text), f"no command in: {text}"
    return Shop(*made.values(), **given)


def _carried_out(made: dict[tuple[str, str], Json], text: str) -> int:
    """How many commands the lines hold; each is split into words as a shell does."""
    done = 0
    for line in text.splitlines():
        if line.startswith("kubectl "):
            words = shlex.split(line)
            ends = [i for i, word in enumerate(words) if word == "&&"]
            for start, end in zip([-1, *ends], [*ends, len(words)], strict=True):
                done += _run(made, words[start + 2 : end])
    return done


def _run(made: dict[tuple[str, str], Json], words: list[str]) -> bool:
    if words[0] == "-n":
        words = words[2:]
    match words:
        case ["label", "node", *names, change]:
            for name in names:
                _change(made["node", name]["metadata"].setdefault("labels", {}), change)
        case ["annotate", kind, name, *changes]:
            for change in changes:
                if change != "--overwrite":
                    _change(made[kind, name]["metadata"].setdefault("annotations", {}), change)
        case ["patch", kind, name, *_, patch]:
            made[kind, name] = _merged(made[kind, name], json.loads(patch))
        case ["create", "-f", "-", "<<<", body]:
            created = json.loads(body)
            key = (created["kind"].lower(), created["metadata"]["name"])
            assert key not in made
            made[key] = created
        case _:
            return False
    return True


def _change(texts: dict[str, str], change: str) -> None:
    """`key=value` sets, `key-` removes."""
    key, separator, value = change.partition("=")
    if separator:
        texts[key] = value
    else:
        texts.pop(change.removesuffix("-"), None)


def _merged(into: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    base = dict(into) if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = _merged(base.get(key), value)
    return base
