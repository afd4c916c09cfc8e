"""Misspelt annotations: names close to one that a provider reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from heapq import nsmallest

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.shared.last_answer import LastAnswer
from etpguard.objects import Service

_CLOSE = 4
"""Maximum number of characters that only one of two names has: two replaced characters, or four more."""
_MOST, _LONGEST = 50, 80
"""Maximum number of annotations that are compared, and maximum length of a name. Others are not misspelt."""

_LAST = LastAnswer()


def misspelt(service: Service, reads: Sequence[str]) -> tuple[Advice, ...]:
    """Advice on each annotation whose name is close to one of `reads` in the same domain."""
    annotations, known = service.annotations, tuple(reads)
    return _LAST.about(annotations, known, lambda: _misspelt(annotations, known))


def _misspelt(annotations: Mapping[str, str], reads: Sequence[str]) -> Iterable[Advice]:
    domains = tuple({key.rpartition("/")[0] + "/" for key in reads})
    candidates = (key for key in annotations if key.startswith(domains) and key not in reads)
    for key in nsmallest(_MOST, candidates):
        near = _nearest(key, reads) if len(key.rpartition("/")[2]) <= _LONGEST else ""
        if near:
            effect = f"The controller does not read {key[:253]}. If {near} is meant, it has no effect now."
            yield Advice(f"Check the spelling of the annotation {key[:253]}", effect)


def _nearest(key: str, reads: Sequence[str]) -> str:
    domain, _, name = key.rpartition("/")
    found = [
        (_difference(name, other[len(domain) + 1 :]), other) for other in reads if other.startswith(f"{domain}/")
    ]
    difference, near = min(found, default=(_CLOSE + 1, ""))
    return near if difference <= _CLOSE else ""


def _difference(one: str, other: str) -> int:
    """The number of characters that only one of the two has."""
    common = sum(block.size for block in SequenceMatcher(None, one, other).get_matching_blocks())
    return len(one) + len(other) - 2 * common
