"""Replace names, addresses and hosts in a dump. Equal ones get equal replacements, so `check` gives the same
outcomes. Pure.

Text that the rules compare with stays: the constants in the source of etpguard, keys of labels and annotations in
the domains of Kubernetes and of the load balancers, and short numbers such as ports. All other text is replaced
word by word. The words of a name are its parts between separators, so a name that consists of two other names
still does afterwards. The replacements have the same alphabetical order as the words: a controller that sorts by
name gives the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from etpguard.cli.dump.addresses import Addresses
from etpguard.cli.dump.vocabulary import Vocabulary
from etpguard.cli.input.cluster_dump import KIND
from etpguard.objects.decode import STRING_MAPS

Json = dict[str, Any]

_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(
    r"(?P<address>\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9a-fA-F]{0,4}:[0-9a-fA-F:]{0,36}:[0-9a-fA-F.]{0,15}(?:/\d+)?)"
    r"|(?P<key>(?<![a-z0-9.-])[a-z0-9-]+(?:\.[a-z0-9-]+)+/[A-Za-z0-9][\w.-]*)"
    r"|(?P<token>[^\W_](?:[\w.-]*[^\W_])?)"
)
"""Each alternative begins where no match can have begun just before: the work is linear in the text."""
_LONGEST_NAME = 253
"""Characters of the longest name or host in Kubernetes."""
_NUMBER = re.compile(r"\d{1,6}(?:[.-]\d{1,6})?(?:ms|s|m|h)?")
"""A port, a range of codes, a duration."""
_TAG = re.compile(r"v?\d{1,4}\.\d{1,4}(?:\.\d{1,4})?(?:-(?:\d{1,8}|(?:gke|eks|rc|beta|alpha)[.\w]{0,12}))?")
"""The version of a program: numbers, and for some clouds the number of a build."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)")
_QUOTED = re.compile(r"""(?<=")[^"]+(?=")|(?<=')[^']+(?=')|\b\w+://\S+|(?<!\d)\d+(?:\.\d+){3}|\[[0-9a-fA-F:]+\]""")
_CLOUD_DOMAIN = re.compile(r"\.amazonaws\.com(?:\.cn)?$", re.IGNORECASE)
"""The end of the hosts of load balancers that rules recognize."""
_SYNTAX = frozenset({"in", "notin", "null"})
"""Words of selectors and of JSON, which stay."""
_PUBLIC_FIELDS = frozenset(
    {"apiGroup", "apiVersion", "effect", "group", "kind", "operator", "phase", "reason", "type"}
)
"""Fields whose values are words of the API, which stay, except kinds and groups of the user's own resources."""
_PROVIDER_WORDS = frozenset(
    {"i", "bm", "ins", "mi", "ocid1", "oc1", "instance", "subscriptions", "resourceGroups"}
)
_PROVIDER_WORDS |= {"providers", "Microsoft", "Compute", "virtualMachineScaleSets", "virtualMachines"}
"""Words that the providerIDs of all nodes of a cloud contain, which stay."""


class Anonymizer:
    """The replacements of one dump. Pass all objects to `learn` first; then replace.

    `salt` and `step` make the result irreversible: `step` gives the distance from one word to the next, 1 or more.
    """

    def __init__(self, vocabulary: Vocabulary, salt: bytes, step: Callable[[], int]) -> None:
        self._vocabulary = vocabulary
        self._addresses = Addresses(salt)
        self._step = step
        self._words: set[str] = set()
        self._replaced: dict[str, str] = {}

    def learn(self, items: list[Json]) -> None:
        for item in items:
            self.item(item)
        number, numbers = 0, {}
        for word in sorted(self._words):
            number += self._step()
            numbers[word] = number
        width = len(str(number))
        # Words of hexadecimal digits that begin with a letter: valid in names, and in ids of instances.
        self._replaced = {word: f"e{number:0{width}}" for word, number in numbers.items()}

    def item(self, item: Json) -> Json:
        return self._head(item) if item["kind"] == KIND else self._value(item)

    def text(self, text: str) -> str:
        """A name, a value or a list of them."""
        if self._vocabulary.has(text) or _TIME.fullmatch(text):
            return text
        return _PART.sub(self._part, text)

    def sentence(self, text: str) -> str:
        """A message, in which only quoted text, URLs and addresses are replaced."""
        return _QUOTED.sub(lambda found: self.text(found[0]), text)

    def _head(self, head: Json) -> Json:
        made = {**head, "anonymized": True}
        if "namespace" in head:
            made["namespace"] = self.text(head["namespace"])
        for field in ("notRead", "namedNotRead"):
            if field in head:
                made[field] = {kind: self.sentence(why) for kind, why in head[field].items()}
        if "rejected" in head:
            made["rejected"] = [self._rejected(rejected) for rejected in head["rejected"]]
        return made

    def _rejected(self, rejected: Json) -> Json:
        fields = [field for field in ("namespace", "name", "uid", "service") if field in rejected]
        names: Json = {field: self.text(rejected[field]) for field in fields}
        subject, colon, problem = rejected["message"].partition(": ")
        kind, space, key = subject.partition(" ")
        return {**rejected, **names, "message": f"{kind}{space}{self.text(key)}{colon}{self.sentence(problem)}"}

    def _value(self, value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            if field in STRING_MAPS and all(isinstance(inner, str) for inner in value.values()):
                return {self._key(key): self.text(inner) for key, inner in value.items()}
            return {name: self._value(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, field) for inner in value]
        if not isinstance(value, str) or (field in _PUBLIC_FIELDS and not self._is_own(field, value)):
            return value
        if field == "providerID":
            return self._provider_id(value)
        if field == "image":
            return self._image(value)
        return self._key(value) if field == "key" else self.text(value)

    def _is_own(self, field: str, value: str) -> bool:
        """Whether it may be a resource of the user, such as the kind of an owner."""
        if field == "kind":
            return not self._vocabulary.has(value)
        return field in ("apiGroup", "group") and not self._vocabulary.knows_domain(value)

    def _image(self, image: str) -> str:
        """The name and the tag of an image: the tag is the version of a program."""
        name, colon, tag = image.partition(":")
        return f"{self.text(name)}{colon}{tag if _TAG.fullmatch(tag) else self.text(tag)}"

    def _provider_id(self, text: str) -> str:
        """Keeps the scheme and the form. An id of digits becomes another id of digits."""
        scheme, separator, rest = text.rpartition("://")
        if not separator:  # REGION.i-ID of Alibaba Cloud: the region is not unique
            scheme, separator, rest = text.partition(".")
        segments = [
            self._word(segment).replace("e", "1") if segment.isdigit() else _WORD.sub(self._provider_word, segment)
            for segment in rest.split("/")
        ]
        return f"{scheme}{separator}{'/'.join(segments)}"

    def _provider_word(self, found: re.Match[str]) -> str:
        return found[0] if found[0] in _PROVIDER_WORDS else self._word(found[0])

    def _key(self, key: str) -> str:
        """The key of a label or an annotation. Keys such as alb.ingress.kubernetes.io/actions.NAME have a name."""
        domain, slash, name = key.partition("/")
        if not slash or not self._vocabulary.knows_domain(domain):
            return "/".join(map(self._token, key.split("/")))
        beginning = self._beginning(name)
        rest = name[len(beginning) :]
        if not beginning.endswith(".") or self._vocabulary.has(rest.rpartition("-")[0]):
            return key  # actions.TCP-443 has no name
        return f"{domain}/{beginning}{self._token(rest)}"

    def _part(self, found: re.Match[str]) -> str:
        text = found[0]
        if found["key"]:
            return self._key(text)
        if found["address"]:
            return self._addresses.replace(text) or _WORD.sub(lambda word: self._token(word[0]), text)
        return self._token(text)

    def _token(self, token: str) -> str:
        """A name, or a part of one. Longer text is none: only its words are replaced."""
        if len(token) > _LONGEST_NAME:
            return self._words_of(token)
        if self._vocabulary.has(token) or token in _SYNTAX or _NUMBER.fullmatch(token):
            return token
        if domain := _CLOUD_DOMAIN.search(token):
            labels = token[: domain.start()].split(".")
            return ".".join(label if label == "elb" else self._words_of(label) for label in labels) + domain[0]
        if beginning := self._beginning(token):
            return beginning + self._token(token[len(beginning) :])
        for ending in self._vocabulary.endings:
            if token.endswith(ending) and token != ending:
                return self._token(token.removesuffix(ending)) + ending
        return self._words_of(token)

    def _words_of(self, token: str) -> str:
        return _WORD.sub(lambda found: self._word(found[0]), token)

    def _beginning(self, token: str) -> str:
        fitting = [b for b in self._vocabulary.beginnings if token.startswith(b) and token != b]
        return max(fitting, key=len, default="")

    def _word(self, word: str) -> str:
        """Capitals stay capitals, for rules that do not read words with capitals."""
        small = word.lower()
        if not self._replaced:
            self._words.add(small)
            return word
        return self._replaced[small] if word == small else self._replaced[small].upper()
