"""A scene in its own namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.arena import own_namespace
from tests.remediate.stage import Scene


@pytest.fixture
def scene(arena: Cluster) -> Iterator[Scene]:
    yield from own_namespace(arena, Scene)
