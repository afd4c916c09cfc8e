"""No test of a consumer leaves a loss behind that a dump without one kind of objects would hide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.assess.consumers import lost_kinds, shown_texts


@pytest.fixture(autouse=True)
def a_lost_kind_hides_no_loss() -> Iterator[None]:
    """Removing any optional kind from a dump never turns a loss into an OK. No text about a cluster fails."""
    lost_kinds.NOTED.clear()
    yield
    hidden = [line for noted in lost_kinds.NOTED for line in lost_kinds.taken_for_harmless(noted)]
    written = [text for noted in lost_kinds.NOTED for text in shown_texts.texts(noted)]
    lost_kinds.NOTED.clear()
    assert not hidden, "\n".join(hidden)
    assert all(text.strip() for text in written), "an empty text"
