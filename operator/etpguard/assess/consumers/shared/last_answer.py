"""Advice on the annotations of one Service, kept for its next port."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from etpguard.assess.consumers.consumer import Advice


class LastAnswer:
    """For each question, the annotations that it was asked about last, and the advice. Each port of a Service may
    have a consumer, which asks again about the same annotations."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Mapping[str, str], tuple[Advice, ...]]] = {}

    def about(
        self, annotations: Mapping[str, str], question: Hashable, find: Callable[[], Iterable[Advice]]
    ) -> tuple[Advice, ...]:
        """What `find` returns. It depends on nothing but the annotations and the question."""
        kept = self._kept.get(question)
        if kept is None or kept[0] is not annotations:  # they are kept, so no other ones get their identity
            kept = self._kept[question] = (annotations, tuple(find()))
        return kept[1]
