"""Labels that nodes already have and that would make a load balancer target exactly the covered nodes. Pure.

With such a label no node shows as unhealthy, and Local stays. The nodeSelector or the required affinity of the
pods demands the label, so no pod leaves the nodes with it. etpguard does not label nodes: a label that follows the
pods would put it into the path of the traffic.
"""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess import Assessment, Outcome
from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import SelectsNodes
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.foresight.apply import applied_documents
from etpguard.foresight.changed_objects import Trial
from etpguard.foresight.world import World
from etpguard.objects import NODE, Key, Service
from etpguard.objects.node_affinity import NodeRequirement, NodeTerm
from etpguard.objects.nodes import HOSTNAME_LABEL
from etpguard.objects.pods import PodSpec

_BAD = (Outcome.TargetsUnhealthy, Outcome.Blackhole)


def advice(service: Service, assessment: Assessment, pods: PodSpec, world: World) -> Iterable[Advice]:
    """One item for each consumer that has a node selector and such a label. Each was tried on the picture, which
    is as before afterwards: with it the consumer is Covered."""
    for verdict in assessment.consumers:
        family = world.engine.families.get(verdict.consumer.family)
        if verdict.outcome not in _BAD or not isinstance(verdict.consumer.targets, NodeTargets):
            continue
        if not isinstance(family, SelectsNodes):
            continue
        for key, value in _candidates(verdict, pods, world):
            step = family.target_nodes(service, verdict.consumer, {key: value}, keep=True)
            if step is not None and _covers(step, service.key, verdict.consumer, world):
                yield _item(verdict, key, value, step, follows_labels=family.follows_labels)
                break


def demanded(pods: PodSpec) -> dict[str, str]:
    """The labels with a value that every node of the pods has: by nodeSelector, and by each term of the required
    affinity. That of a single node comes last."""
    found = dict(pods.node_selector or {})
    affinity = pods.affinity and pods.affinity.node_affinity
    of_terms = [_of_term(term) for term in (affinity.terms if affinity else ())]
    for key, value in of_terms[0].items() if of_terms else ():
        if all(each.get(key) == value for each in of_terms):
            found.setdefault(key, value)
    return dict(sorted(found.items(), key=lambda item: (item[0] == HOSTNAME_LABEL, item[0])))


def _of_term(term: NodeTerm) -> dict[str, str]:
    return {each.key: each.values[0] for each in term.match_expressions or () if _one_value(each) and each.values}


def _one_value(expression: NodeRequirement) -> bool:
    return expression.operator == "In" and len(expression.values or ()) == 1


def _candidates(verdict: ConsumerVerdict, pods: PodSpec, world: World) -> Iterable[tuple[str, str]]:
    """The labels that exactly the covered nodes have, of those that are eligible."""
    covered = verdict.eligible & ~verdict.uncovered
    names = world.picture.nodes.names(verdict.eligible)
    nodes = [node for name in names if (node := world.picture.get(NODE, Key("", name))) is not None]
    for key, value in demanded(pods).items():
        bearing = 0
        for node in nodes:
            if node.labels.get(key) == value:
                bearing |= world.picture.nodes.bit(node.metadata.name)
        if bearing and bearing == covered:
            yield key, value


def _covers(step: Step, service: Key, consumer: Consumer, world: World) -> bool:
    """Whether the consumer is Covered after the change. The picture is as before afterwards."""
    changed = step.change if isinstance(step.change, tuple) else ()
    trial = Trial(world, applied_documents([each.document for each in changed], world.picture))
    after = world.engine.assessments.get(service)
    trial.undo()
    same = [v for v in (after.consumers if after else ()) if v.consumer.object == consumer.object]
    return bool(same) and all(v.outcome is Outcome.Covered for v in same if v.consumer.port == consumer.port)


def _item(verdict: ConsumerVerdict, key: str, value: str, step: Step, *, follows_labels: bool) -> Advice:
    consumer = verdict.consumer
    sync = (
        ""
        if follows_labels
        else " Its controller knows the labels of the nodes as of its last sync: this change starts one, a later "
        "change of a label does not."
    )
    return Advice(
        f"Target only the nodes with the label {key}={value}",
        f"The pods demand this label, and of the nodes that {consumer} "
        f"sends to, exactly those with a pod have it. The other nodes are then no targets.{sync}",
        "Cost: fewer targets to fail over to. A node that gets the label later may be a target before a pod runs "
        "on it.",
        *step,
    )
