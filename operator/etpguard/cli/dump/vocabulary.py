"""The words that the rules contain. Rules compare only with these words, so a dump must keep them."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.abc import InspectLoader
from types import CodeType

_RULES = ("etpguard.assess", "etpguard.objects", "etpguard.remediate")
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_LITERAL = re.compile(r"""["']([\w.-]+)["']""")
_PUBLIC = ("kubernetes.io", "k8s.io")
"""Domains of Kubernetes itself, for labels such as node-role.kubernetes.io/ingress."""


@dataclass(frozen=True)
class Vocabulary:
    """`words`: constants without a space. `beginnings` and `endings`: constants that end or begin with a
    separator. `domains`: the parts of keys before the "/". `proxies`: those of proxies that run as pods. Their
    annotations configure the proxy."""

    words: frozenset[str]
    beginnings: tuple[str, ...]
    endings: tuple[str, ...]
    domains: frozenset[str]
    proxies: frozenset[str]

    def has(self, word: str) -> bool:
        return not self.words.isdisjoint((word, word.lower(), word.upper()))

    def knows_domain(self, domain: str) -> bool:
        return domain in self.domains or domain in _PUBLIC or domain.endswith(tuple(f".{d}" for d in _PUBLIC))

    def reads_annotation(self, key: str) -> bool:
        """Whether a rule may read the annotation. All keys of a domain count: some rules add a port to a key, and
        others look for misspelt keys. Snippets of configuration do not count, and what configures a proxy neither:
        they may contain credentials, and no rule reads them."""
        domain, slash, name = key.partition("/")
        if not slash or domain in self.proxies:
            return key in self.words
        return key in self.words or (domain in self.domains and "snippet" not in name)


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of all rules, the consumer families included."""
    from etpguard.assess.consumers.families.in_cluster_proxies import CONTROLLERS  # after the lists began

    found = {text for package in _RULES for code in _modules(package) for text in _texts(code)}
    found |= {word for text in found for word in _LITERAL.findall(text)}
    found |= {_camel(text) for text in found if "_" in text}
    words = frozenset(text for text in found if text and not any(map(str.isspace, text)))
    return Vocabulary(
        words,
        tuple(sorted(word for word in words if len(word) > 2 and word[-1] in "-./")),
        tuple(sorted(word for word in words if len(word) > 2 and word[0] in "-./")),
        frozenset(d for word in words if _DOMAIN.fullmatch(d := word.partition("/")[0])),
        frozenset(controller.partition("/")[0] for controller in CONTROLLERS),
    )


def _camel(text: str) -> str:
    """The name of a field on the wire."""
    first, *others = text.split("_")
    return first + "".join(map(str.capitalize, others))


def _modules(package: str) -> Iterator[CodeType]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    names = [package]
    names += [m.name for m in pkgutil.walk_packages(spec.submodule_search_locations, f"{package}.")]
    for name in names:
        found = importlib.util.find_spec(name)
        code = found.loader.get_code(name) if found and isinstance(found.loader, InspectLoader) else None
        if code is not None:
            yield code


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, tuple | frozenset):
            yield from (each for each in constant if isinstance(each, str))
        elif isinstance(constant, str):
            yield constant
