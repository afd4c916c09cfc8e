"""The picture that changes are applied to, and the engine that assesses it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from etpguard.assess import Assessment, Engine, InternalAssessment
from etpguard.cluster import Picture, Touched
from etpguard.objects import ENDPOINT_SLICE, EndpointSlice, Key, Kind, Record

R = TypeVar("R", bound=Record)


class World:
    """A picture that no other code reads. The changes go into it, and the engine assesses again what they
    touch."""

    def __init__(self, picture: Picture, engine: Engine) -> None:
        self.picture = picture
        self.engine = engine
        self._touched = Touched()

    def put(self, kind: Kind[R], records: Iterable[R]) -> None:
        self._touched.add(self.picture.absorb(self.picture.store(kind).replace(records)))

    def remove(self, kind: Kind[R], keys: Iterable[Key]) -> None:
        store = self.picture.store(kind)
        gone = [store.delete(key, store.version(key) or 0) for key in keys]
        self._touched.add(self.picture.absorb([change for change in gone if change is not None]))

    def refresh(self) -> set[Key]:
        """Assess what was touched since the last call. Returns the Services whose assessment changed."""
        touched, self._touched = self._touched, Touched()
        return set(self.engine.refresh(touched)) if touched else set()

    def trial(self, service: Key, slices: Sequence[EndpointSlice]) -> Assessment | None:
        """The assessment of one Service as if these were its EndpointSlices. The picture stays as it is."""
        with self._as_if(service, slices):
            return self.engine.assess(service)

    def internal_trial(self, service: Key, slices: Sequence[EndpointSlice]) -> InternalAssessment | None:
        """The same for clients in the cluster."""
        with self._as_if(service, slices):
            return self.engine.assess_internal(service)

    @contextmanager
    def _as_if(self, service: Key, slices: Sequence[EndpointSlice]) -> Iterator[None]:
        store, before = self.picture.store(ENDPOINT_SLICE), self.picture.slices(service)
        kept = {slice_.key for slice_ in before}
        added = [slice_.key for slice_ in slices if slice_.key not in kept]
        self.engine.invalidate(self.picture.absorb(store.replace(slices)))
        try:
            yield
        finally:
            changes = store.replace(before)
            gone = [store.delete(key, store.version(key) or 0) for key in added]
            changes += [change for change in gone if change is not None]
            self.engine.invalidate(self.picture.absorb(changes))
