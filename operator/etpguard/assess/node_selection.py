"""Label selectors that controllers and data planes read from annotations, as requirements on a node's labels."""

from __future__ import annotations

import re

from etpguard.objects import Requirement

MAX_LENGTH = 16384
"""Characters of a selector that etpguard parses. Real ones have a few hundred at most."""

_SPACE = " \t\r\n"
_SET = re.compile(r"[ \t\r\n]*([^ \t\r\n!=<>(),]+)[ \t\r\n]+(in|notin)[ \t\r\n]*\(([^()]*)\)[ \t\r\n]*")
_EQUAL = re.compile(r"[ \t\r\n]*([^ \t\r\n!=<>(),]+)[ \t\r\n]*(==|=|!=)[ \t\r\n]*([^ \t\r\n!=<>(),]*)[ \t\r\n]*")
_EXISTS = re.compile(r"[ \t\r\n]*(!?)[ \t\r\n]*([^ \t\r\n!=<>(),]+)[ \t\r\n]*")

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_label_key(text: str) -> bool:
    """As k8s.io/apimachinery v0.37.2 pkg/api/validate/content/kube.go IsLabelKey."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix)):
        return False
    return bool(_NAME.fullmatch(name))


def is_label_value(text: str) -> bool:
    """As IsLabelValue there."""
    return not text or bool(_NAME.fullmatch(text))


def label_selector(text: str) -> tuple[Requirement, ...] | None:
    """The requirements of a full label selector, such as "a=b,c in (d,e),!f"; () for the empty one. None for what
    k8s.io/apimachinery v0.37.2 pkg/labels/selector.go Parse rejects, and for what etpguard does not read: one that
    compares numbers, such as "a>1", or that is too long.
    """
    if len(text) > MAX_LENGTH:
        return None
    text = text.strip(_SPACE)
    found: list[Requirement] = []
    at = 0
    while at < len(text):
        if match := _SET.match(text, at):
            values = tuple(value.strip(_SPACE) for value in match[3].split(","))
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
    valid = all(is_label_key(each.key) and all(map(is_label_value, each.values or ())) for each in found)
    return tuple(found) if valid else None


def not_read(text: str) -> bool:
    """Whether `Parse` may accept a selector that `label_selector` does not read."""
    return len(text) > MAX_LENGTH or "<" in text or ">" in text


def key_values(text: str) -> dict[str, str]:
    """The pairs of an annotation such as "k=v,k2=,k3". Blanks are removed around pairs alone, and what follows a
    second "=" is ignored: cloud-provider-aws 63ec440 pkg/providers/v1/aws_loadbalancer.go
    getKeyValuePropertiesFromAnnotation, scaleway-cloud-controller-manager bddc17f
    scaleway/loadbalancers_annotations.go getKeyValueFromAnnotation."""
    found = {}
    for item in text.split(","):
        key, *values = item.strip().split("=")
        if key:
            found[key] = values[0] if values else ""
    return found


def target_node_labels(text: str) -> tuple[Requirement, ...]:
    """The requirements of such an annotation on the nodes. An empty value admits any value of the label:
    filterTargetNodes and filterNodes of the same two controllers."""
    return tuple(
        Requirement(key, "In", (value,)) if value else Requirement(key, "Exists")
        for key, value in sorted(key_values(text).items())
    )
