"""The ways out of a Service's outcome as documents that `kubectl` or `helm` takes. Pure.

Each item of advice is one way. Its documents are patches of the objects that it changes, or Helm values where
labels show a chart whose values are known. What cannot be known has no document but a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etpguard.assess import Assessment, InternalAssessment
from etpguard.assess.consumers.changes import ObjectChange, WorkloadChange
from etpguard.assess.consumers.consumer import Advice, Consumer
from etpguard.assess.internal_advice import SURGING
from etpguard.cluster import Picture
from etpguard.foresight.apply import kinds_by_name
from etpguard.foresight.detection import timing_of
from etpguard.foresight.hosts import target_ports
from etpguard.foresight.patches import charts, held_labels
from etpguard.foresight.patches.behind import Behind, behind
from etpguard.foresight.patches.charts import Release
from etpguard.foresight.patches.workload_patch import WorkloadPatch, hand_over, spread, tolerate
from etpguard.foresight.placement.scheduling import Scheduling, Site
from etpguard.foresight.world import World
from etpguard.objects import NODE, SERVICE, Service
from etpguard.objects.node_details import NODE_DETAILS
from etpguard.objects.nodes import HOSTNAME_LABEL
from etpguard.objects.pods import PodSpec
from etpguard.objects.shell import command_line

Json = dict[str, Any]

FILE = "FILE"
"""The placeholder in commands for the file with the document."""
_BUILT_IN = ("v1", "apps/v1", "networking.k8s.io/v1")
_NO_PATCH = "it is no patch of one object; `etpguard explain` shows its commands"
_LOOK = "it is no change of an object; `etpguard explain` says what to look at"


@dataclass(frozen=True, slots=True)
class Document:
    """A patch with the apiVersion, kind and name of its object, or Helm values. `command` applies it."""

    content: Json
    command: str
    values: bool = False
    """Whether it is Helm values."""


@dataclass(frozen=True, slots=True)
class Way:
    """One item of advice, numbered from 1. `notes` say what is not known, why there is no document, and what a
    document does not do: clauses without a full stop. `effect` and `cost` are those of the documents."""

    number: int
    advice: Advice
    effect: str
    cost: str
    documents: tuple[Document, ...] = ()
    notes: tuple[str, ...] = ()


def ways(service: Service, assessment: Assessment, advice: Sequence[Advice], world: World) -> list[Way]:
    """The ways of these items of advice. A label that nodes already have comes before the advice to label them, or
    before the last item."""
    maker = _Maker(service, assessment.uncovered, [verdict.consumer for verdict in assessment.consumers], world)
    items = [*advice]
    if isinstance(maker.behind, Behind):
        pods = maker.behind.controller.template.spec or PodSpec()
        held = list(dict.fromkeys(held_labels.advice(service, assessment, pods, world)))
        items = _with_labels(items, held)
    return [maker.way(number, item) for number, item in enumerate(items, 1)]


def internal_ways(
    service: Service, assessment: InternalAssessment, advice: Sequence[Advice], world: World, first: int = 1
) -> list[Way]:
    """The ways for clients in the cluster. Their numbers begin with `first`."""
    maker = _Maker(service, assessment.uncovered, (), world)
    return [maker.way(number, item) for number, item in enumerate(advice, first)]


def _with_labels(items: list[Advice], held: list[Advice]) -> list[Advice]:
    if not held:
        return items
    at = next((n for n, item in enumerate(items) if item.labels_nodes), len(items) - 1)
    return [*items[: max(at, 0)], *held, *items[max(at, 0) :]]


class _Maker:
    """`uncovered` are the nodes that lose traffic, `consumers` the consumers of the Service."""

    def __init__(self, service: Service, uncovered: int, consumers: Sequence[Consumer], world: World) -> None:
        self._service = service
        self._uncovered = uncovered
        self._consumers = consumers
        self._picture = world.picture
        self.behind = behind(service, world.picture)

    def way(self, number: int, advice: Advice) -> Way:
        change = advice.change
        if isinstance(change, WorkloadChange):
            return self._of_workload(number, advice, change)
        documents: list[Document] = []
        notes: list[str] = []
        for each in change:
            made, note = self._of_object(each)
            documents.append(made)
            notes += note
        if not change:
            notes.append(_NO_PATCH if advice.command else _LOOK)
        return Way(number, advice, advice.effect, advice.cost, tuple(documents), tuple(notes))

    def _of_workload(self, number: int, advice: Advice, change: WorkloadChange) -> Way:
        if isinstance(self.behind, str):
            return Way(number, advice, advice.effect, advice.cost, notes=(self.behind,))
        patch = self._patch(self.behind, change)
        if patch.empty:
            why = patch.notes or (f"{self.behind.workload} has these settings already",)
            return Way(number, advice, advice.effect, advice.cost, notes=(*why, *self.behind.notes))
        document, more = self._workload_document(self.behind, patch)
        notes = (*patch.notes, *self.behind.notes, *more)
        # The effect of a spread and of tolerations depends on the workload. The advice describes all its kinds.
        own = change in (WorkloadChange.SPREAD, WorkloadChange.TOLERATE)
        effect = patch.effect if own else f"{advice.effect} {patch.effect}".strip()
        return Way(number, advice, effect, patch.cost or advice.cost, (document,), notes)

    def _patch(self, behind: Behind, change: WorkloadChange) -> WorkloadPatch:
        if change is WorkloadChange.SURGE:
            return WorkloadPatch(strategy=SURGING)
        if change is WorkloadChange.HAND_OVER:
            ports = target_ports(self._service.key, self._picture)
            timings = [(each, timing_of(each, self._service, self._picture)) for each in self._consumers]
            return hand_over(behind, timings, bool(self._service.spec.publish_not_ready_addresses), ports)
        uncovered = self._picture.nodes.names(self._uncovered)
        if change is WorkloadChange.TOLERATE:
            return tolerate(behind, node_sites(self._picture), uncovered)
        return spread(behind, node_sites(self._picture), uncovered)

    def _workload_document(self, behind: Behind, patch: WorkloadPatch) -> tuple[Document, list[str]]:
        workload, controller = behind.workload, behind.controller
        meta = controller.metadata
        release = charts.release_of(controller.labels, meta.annotations or {}, workload.key.namespace)
        if release is None and controller.template.labels.get("app.kubernetes.io/managed-by") == "envoy-gateway":
            release = charts.release_of(controller.template.labels, {}, workload.key.namespace)
        if release is not None:
            given = (controller.template.spec or PodSpec()).topology_spread_constraints or []
            others = [each for each in given if each.get("topologyKey") != HOSTNAME_LABEL]
            values = charts.workload_values(release.chart, patch, others)
            if values is not None:
                return _helm(release, values)
        spec = patch.spec(workload.kind)
        content = {
            "apiVersion": "apps/v1",
            "kind": workload.kind,
            "metadata": {"name": workload.key.name, "namespace": workload.key.namespace},
            "spec": spec,
        }
        return Document(content, patch_command(content)), _reverts(controller.labels, str(workload))

    def _of_object(self, change: ObjectChange) -> tuple[Document, list[str]]:
        content = change.document
        if change.kind == "Service":
            service = self._picture.get(SERVICE, change.key)
            if service is not None:
                release = charts.release_of(service.labels, service.annotations, change.key.namespace)
                internal = change.key.name.endswith("-internal")
                values = None if release is None or internal else charts.service_values(release.chart, content)
                if release is not None and values is not None:
                    return _helm(release, values)
                return Document(content, patch_command(content)), _reverts(service.labels, f"Service {change.key}")
        # An apply would remove the fields of an object that exists and that the document does not have.
        new = change.creates and not self._exists(change)
        command = f"kubectl apply -f {FILE}" if new else patch_command(content)
        return Document(content, command), []

    def _exists(self, change: ObjectChange) -> bool:
        kind = kinds_by_name(self._picture).get((change.api_version, change.kind))
        return kind is not None and self._picture.get(kind, change.key) is not None


def patch_command(content: Json) -> str:
    """`kubectl patch` with the document as a file."""
    namespace = content["metadata"].get("namespace")
    where = ["-n", namespace] if namespace else []
    kind = content["kind"].lower()
    how = [] if content["apiVersion"] in _BUILT_IN else ["--type=merge"]
    name = content["metadata"]["name"]
    return command_line(["kubectl", *where, "patch", kind, name, *how, f"--patch-file={FILE}"])


def _helm(release: Release, values: Json) -> tuple[Document, list[str]]:
    notes = [] if release.name else ["the name of its Helm release is not known: put it in place of RELEASE"]
    if release.chart.note:
        notes.append(release.chart.note)
    return Document(values, release.command(FILE), values=True), notes


def _reverts(labels: dict[str, str], what: str) -> list[str]:
    """A note that the next Helm upgrade may undo a patch, which is not part of the release."""
    if not charts.helm_manages(labels):
        return []
    chart = labels.get("helm.sh/chart", "")
    return [f"Helm manages {what}{f' (chart {chart})' if chart else ''}: its next upgrade may undo the patch"]


def node_sites(picture: Picture) -> Scheduling:
    """The nodes without their pods."""
    details = {each.key: each for each in picture.store(NODE_DETAILS)}
    return Scheduling(
        Site(node, known, unschedulable=bool(known and known.unschedulable))
        for node in picture.store(NODE)
        if not node.deleting
        for known in [details.get(node.key)]
    )
