"""Label selectors that controllers and data planes read from annotations, as requirements on a node's labels."""

from __future__ import annotations

import re

from etpguard.objects import Requirement

MAX_LENGTH = 16384
"""Characters of a selector that etpguard parses. Real ones have a few hundred at most."""

_SET = re.compile(r"\s*([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)\s*", re.ASCII)
_EQUAL = re.compile(r"\s*([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)\s*", re.ASCII)
_EXISTS = re.compile(r"\s*(!?)\s*([^\s!=(),]+)\s*", re.ASCII)


def label_selector(text: str) -> tuple[Requirement, ...] | None:
    """The requirements of a full label selector, such as "a=b,c in (d,e),!f"; () for the empty one. None for what
    k8s.io/apimachinery pkg/labels/selector.go Parse rejects, and for one that is too long.
    """
    if len(text) > MAX_LENGTH:
        return None
    text = text.strip()
    found: list[Requirement] = []
    at = 0
    while at < len(text):
        if match := _SET.match(text, at):
            values = tuple(value.strip() for value in match[3].split(","))
            found.append(Requirement(match[1], "In" if match[2] == "in" else "NotIn", values))
        elif match := _EQUAL.match(text, at):
            found.append(Requirement(match[1], "NotIn" if match[2] == "!=" else "In", (match[3],)))
        elif match := _EXISTS.match(text, at):
            found.append(Requirement(match[2], "DoesNotExist" if match[1] else "Exists"))
        else:
            return None
        at = match.end()
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                return None
            at += 1
    return tuple(found)


def key_values(text: str, *, bare_is_any: bool = True) -> tuple[Requirement, ...]:
    """The requirements of "k=v,k2=v2". With `bare_is_any` a key without a value, or with an empty one, admits any
    value; otherwise such a key is passed over."""
    found = []
    for item in text.split(","):
        key, _, value = (part.strip() for part in item.partition("="))
        if key and value:
            found.append(Requirement(key, "In", (value,)))
        elif key and bare_is_any:
            found.append(Requirement(key, "Exists"))
    return tuple(found)
