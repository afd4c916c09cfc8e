"""The pods of the picture: by node, by controller, and by the Services that they serve. Pure.

Where Pods cannot be read, the endpoints stand in for them. They show the node and the name of a pod, but neither
its controller nor what its replacement needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etpguard.assess.node_states import proxied
from etpguard.cluster import Picture
from etpguard.foresight.placement.scheduling import NewPod
from etpguard.objects import ENDPOINT_SLICE, SERVICE, EndpointSlice, Key, Service
from etpguard.objects.pods import POD, Pod, PodSpec


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod, or what an endpoint shows of it: `pod` is None then."""

    key: Key
    node: str
    pod: Pod | None = None

    @property
    def controlled_by(self) -> str | None:
        """The kind of its controller, "" for none, None if that is not known."""
        if self.pod is None:
            return None
        owner = self.pod.controller
        return owner.kind if owner else ""

    def replacement(self) -> NewPod | None:
        """What its controller creates in its place, on any node; None for a DaemonSet's, a mirror or a bare pod.
        Where the controller is not known, a replacement that needs nothing."""
        if self.pod is None:
            return NewPod(self.key.namespace, {}, PodSpec(), known_by_endpoint=self.key)
        if self.controlled_by in ("", "DaemonSet", "Node"):
            return None
        return NewPod(self.key.namespace, self.pod.labels, self.pod.spec, origin=self.key)


class Pods:
    """The pods as they are before any change, and the Services as they are after those so far."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.known = picture.why_unknown(POD) is None
        self._services: dict[Key, set[Key]] = defaultdict(set)
        self._by_namespace: dict[str, list[Service]] = defaultdict(list)
        seen: dict[Key, Seen] = {}
        for slice_ in picture.store(ENDPOINT_SLICE):
            for key, node in self._serve(slice_):
                if not self.known and node:
                    seen[key] = Seen(key, node)
        if self.known:
            seen = {pod.key: Seen(pod.key, pod.node, pod) for pod in picture.store(POD)}
        self.seen = seen
        self._by_node: dict[str, list[Seen]] = defaultdict(list)
        for each in seen.values():
            self._by_node[each.node].append(each)
        for known in picture.store(SERVICE):
            self._select(known)

    def put(self, service: Service) -> None:
        """The Service has changed, with its selector and its EndpointSlices in the picture."""
        for services in self._services.values():
            services.discard(service.key)
        for slice_ in self._picture.slices(service.key):
            self._serve(slice_)
        others = self._by_namespace[service.key.namespace]
        others[:] = [each for each in others if each.key != service.key]
        self._select(service)

    def _serve(self, slice_: EndpointSlice) -> list[tuple[Key, str | None]]:
        """Note that these pods serve the Service of the slice. Returns them, with their nodes."""
        service = slice_.service
        if service is None:
            return []
        found = []
        for endpoint in slice_.endpoints or ():
            target = endpoint.target_ref
            if target and target.kind == "Pod" and target.name:
                found.append((Key(service.namespace, target.name), endpoint.node_name))
        for key, _ in found:
            self._services[key].add(service)
        return found

    def _select(self, service: Service) -> None:
        if service.spec.selector and proxied(service):
            self._by_namespace[service.key.namespace].append(service)

    def on(self, node: str) -> list[Seen]:
        return sorted(self._by_node.get(node, ()), key=lambda each: each.key)

    def in_namespace(self, namespace: str) -> Iterable[Seen]:
        return (each for each in self.seen.values() if each.key.namespace == namespace)

    def services_of(self, pod: Key) -> set[Key]:
        """The Services with an endpoint of that pod."""
        return self._services.get(pod, set())

    def services_for(self, pod: NewPod) -> set[Key]:
        """The Services that a new pod will serve, by their selectors."""
        if pod.known_by_endpoint is not None:
            return self.services_of(pod.known_by_endpoint)
        here = self._by_namespace.get(pod.namespace, ())
        return {service.key for service in here if selects(service, pod.namespace, pod.labels)}


def selects(service: Service, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether the selector of the Service selects pods with these labels."""
    selector = service.spec.selector
    return (
        bool(selector)
        and service.key.namespace == namespace
        and all(labels.get(key) == value for key, value in (selector or {}).items())
    )
