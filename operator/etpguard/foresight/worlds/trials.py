"""The cases of a Service in the worlds that some alternatives make possible. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from etpguard.cluster import Picture
from etpguard.foresight.placement.scheduling import Scheduling
from etpguard.foresight.pods import Pods
from etpguard.foresight.worlds.alternatives import Alternative, Ground, worlds
from etpguard.foresight.worlds.bounds import C
from etpguard.foresight.worlds.changed_slices import changed_slices, reach
from etpguard.objects import SERVICE, EndpointSlice, Key


class Trials:
    """`incomplete` takes the Services with more possible worlds than are tried."""

    def __init__(
        self,
        picture: Picture,
        pods: Pods,
        alternatives: Sequence[Alternative],
        scheduling: Scheduling,
        incomplete: set[Key],
    ) -> None:
        self.alternatives = alternatives
        self._picture = picture
        self._reach = reach(alternatives, pods)
        self._scheduling = scheduling
        self._incomplete = incomplete

    def cases(
        self, key: Key, base: C, ground: Callable[[], Ground], trial: Callable[[Sequence[EndpointSlice]], C]
    ) -> list[C]:
        """One case or more for each alternative: `base` where it does not touch the Service, else what `trial`
        makes of its EndpointSlices in each world. `ground` is called at most once, because it walks all
        endpoints."""
        service = self._picture.get(SERVICE, key)
        if service is None:
            return [base]
        ground = cache(ground)
        cases: list[C] = []
        for alternative, (losing, new_for) in zip(self.alternatives, self._reach, strict=True):
            new = tuple(new_for.get(key, ()))
            if not new and key not in losing:
                cases.append(base)
                continue
            own = Alternative(alternative.gone, alternative.choices, new)
            possible = worlds(ground(), own, self._scheduling)
            if not possible.complete:
                self._incomplete.add(key)
            for removed, added in possible.found:
                cases.append(trial(changed_slices(self._picture, service, removed, added)))
        return cases
