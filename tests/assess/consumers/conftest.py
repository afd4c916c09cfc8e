"""What holds for each cluster that a test of a consumer makes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.assess.consumers import lost_kinds, replayed, shown_texts


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Removing any optional kind from a dump never turns a loss into an OK. No text about a cluster fails. The
    engine is up to date after each change.

    Part of the call, and no fixture, since coverage measures the fixtures of a test with `no_cover` too.
    """
    lost_kinds.NOTED.clear()
    try:
        result = yield
        for noted in lost_kinds.NOTED:
            engine = noted.assessed()
            hidden = list(lost_kinds.taken_for_harmless(noted, engine))
            assert not hidden, "\n".join(hidden)
            outdated = list(replayed.stale(noted, engine))
            assert not outdated, "\n".join(outdated)
            assert all(text.strip() for text in shown_texts.texts(noted, engine)), "an empty text"
    finally:
        lost_kinds.NOTED.clear()
    return result
