"""A case in its own namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.arena import own_namespace
from tests.publish.stage import Case


@pytest.fixture
def other(arena: Cluster) -> Iterator[Case]:
    """A second case, in another namespace; its nodes come beside those of the first."""
    yield from own_namespace(arena, Case)


@pytest.fixture
def case(arena: Cluster) -> Iterator[Case]:
    yield from own_namespace(arena, Case)
