"""An answer is kept for the same annotations and the same question, and for no other."""

from __future__ import annotations

from collections.abc import Iterator

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.shared.last_answer import LastAnswer


def test_it_is_found_again_for_other_annotations_and_for_another_question_only() -> None:
    last, found = LastAnswer(), 0

    def find() -> Iterator[Advice]:
        nonlocal found
        found += 1
        yield Advice(str(found))

    one, equal = {"a": "b"}, {"a": "b"}
    titles = [
        last.about(annotations, question, find)[0].title
        for annotations, question in [(one, "x"), (one, "x"), (one, "y"), (one, "x"), (equal, "x"), (one, "x")]
    ]
    assert titles == ["1", "1", "2", "1", "3", "4"]
