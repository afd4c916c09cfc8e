"""Which namespaces are in scope, and the view of what is held of them."""

from __future__ import annotations

import pytest

from etpguard.objects import Key
from etpguard.objects.scope import NamespaceScope


def scope(only: str = "", skipped: str = "") -> NamespaceScope:
    return NamespaceScope(frozenset(only), frozenset(skipped))


@pytest.mark.parametrize(
    ("given", "included"),
    [
        pytest.param(scope(), "abc", id="all"),
        pytest.param(scope(only="a"), "a", id="one"),
        pytest.param(scope(skipped="a"), "bc", id="all but one"),
        pytest.param(scope(only="ab", skipped="b"), "a", id="both"),
    ],
)
def test_namespaces_in_scope(given: NamespaceScope, included: str) -> None:
    assert "".join(filter(given.includes, "abc")) == included
    held = {Key(namespace, "web"): namespace for namespace in "abc"}
    selected = given.select(held)
    assert "".join(selected.values()) == included
    assert len(selected) == len(included)
    assert {key for key in held if key in selected} == set(selected)


def test_the_view_follows_what_it_selects_from() -> None:
    held: dict[Key, int] = {}
    selected = scope(only="a").select(held)
    held |= {Key("a", "web"): 1, Key("b", "web"): 2}
    assert dict(selected) == {Key("a", "web"): 1}
    assert selected.get(Key("b", "web")) is None
