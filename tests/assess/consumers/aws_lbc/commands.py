"""A cluster after somebody has followed a piece of advice: its kubectl commands, carried out on the objects."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from typing import Any

from tests.assess.consumers.aws_lbc.objects import Json, Shop, endpoints, ingress_class, node, service

_LABEL = re.compile(r"kubectl label node ((?:[\w.-]+ )+?)([\w./-]+)(?:=([\w.-]*)|-)(?=[;.])")
_ANNOTATE = re.compile(r"kubectl -n \S+ annotate (\w+) (\S+) --overwrite ((?:'[^']*' ?)+)")
_UNANNOTATE = re.compile(r"kubectl -n \S+ annotate (\w+) (\S+) ((?:[\w./-]+- ?)+)")
_PATCH = re.compile(r"kubectl -n \S+ patch (\w+) (\S+) (?:--type merge )?-p '([^']*)'")
_APPLY = re.compile(r"kubectl apply -f - <<< '([^']*)'")


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
    done = 0
    for match in _LABEL.finditer(text):
        done += 1
        for name in match[1].split():
            labels = made["node", name]["metadata"].setdefault("labels", {})
            if match[3] is None:
                labels.pop(match[2], None)
            else:
                labels[match[2]] = match[3]
    for match in _ANNOTATE.finditer(text):
        done += 1
        annotations = made[match[1], match[2]]["metadata"].setdefault("annotations", {})
        for pair in re.findall(r"'([^']*)'", match[3]):
            key, _, value = pair.partition("=")
            annotations[key] = value
    for match in _UNANNOTATE.finditer(text):
        done += 1
        for key in match[3].split():
            made[match[1], match[2]]["metadata"]["annotations"].pop(key[:-1], None)
    for match in _PATCH.finditer(text):
        done += 1
        made[match[1], match[2]] = _merged(made[match[1], match[2]], json.loads(match[3]))
    for match in _APPLY.finditer(text):
        done += 1
        applied = json.loads(match[1])
        made[applied["kind"].lower(), applied["metadata"]["name"]] = applied
    return done


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
