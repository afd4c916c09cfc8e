"""What the objects of a command leave open: warnings about it. It loads the rules."""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess import Engine, Outcome
from etpguard.assess.data_planes.mixed import NOT_KNOWN
from etpguard.assess.node_states import policy_applies
from etpguard.cli.input.loaded import Loaded
from etpguard.objects import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NODE, SERVICE, AnyKind
from etpguard.objects.aws import TARGET_GROUP_BINDING
from etpguard.objects.text import describe, listed
from etpguard.report.data_planes import assumed_data_planes


def no_node(loaded: Loaded) -> str:
    """That there is no Node, and the command that reads it with the other kinds that the files lack."""
    why = f"{loaded.where}: there are Services with externalTrafficPolicy Local but no Node"
    if loaded.complete:
        return why
    kinds: tuple[AnyKind, ...] = (ENDPOINT_SLICE, INGRESS, INGRESS_CLASS)
    lacking = [NODE, *(kind for kind in kinds if kind in loaded.picture.unlisted)]
    return f"{why}; {_by_kubectl(lacking)}"


def warn_of_failure(loaded: Loaded, what: str, error: Exception) -> None:
    """Warn of it once: most Services have several consumers."""
    text = f"{what} failed: {describe(error)}"
    if text not in loaded.warnings:
        loaded.warnings.append(text)


def warn_of_data_planes(loaded: Loaded, engine: Engine) -> None:
    """Warn of signs that contradict one another, of outcomes that depend on a data plane that is not known, and of
    a data plane that is assumed because objects could not be read."""
    planes = engine.planes
    loaded.warnings += [f"{text}. Name the right one by --data-plane" for text in planes.contradictions]
    unknown = [a for _, a in sorted(engine.assessments.items()) if a.reason.code == NOT_KNOWN]
    if unknown and not planes.contradictions:
        names = listed([each.key for each in unknown], 3)
        loaded.warnings.append(f"the outcome is Unknown for {names}: {unknown[0].reason.detail}")
    assumed = assumed_data_planes(planes, loaded.picture.nodes.present)
    if assumed and loaded.complete and loaded.named.unread:
        loaded.warnings.append(f"{loaded.named.refusal}. So {assumed[0]}")


def warn_of_files(loaded: Loaded, engine: Engine) -> None:
    """Warn of what is not in the files."""
    _warn_of_manifests(loaded, engine)
    _warn_of_missing_kinds(loaded, engine)


def _warn_of_manifests(loaded: Loaded, engine: Engine) -> None:
    """Warn of Services that the API server has not completed."""
    manifests = [
        service.key
        for service in loaded.picture.store(SERVICE)
        if service.policy == "Local" and policy_applies(service) and service.ports and not service.uid
        if service.key not in engine.assessments
    ]
    if manifests:
        loaded.warnings.append(
            f"not judged, because no node port is set, as in a manifest: {listed(sorted(manifests), 3)}. "
            "`etpguard what-if apply -f FILE` gives manifests the ports that the API server allocates"
        )


def _warn_of_missing_kinds(loaded: Loaded, engine: Engine) -> None:
    """Warn once of all kinds that are not in the files and could change an outcome."""
    lacking: list[AnyKind] = []
    effects: list[str] = []
    if engine.assessments and not len(loaded.picture.store(ENDPOINT_SLICE)):
        lacking.append(ENDPOINT_SLICE)
        effects.append("no outcome is known without EndpointSlices, and Endpoints are not read instead")
    without_consumer = ("NoKnownConsumer", "ConsumersNotReadable")
    if unclaimed := sum(a.reason.code in without_consumer for a in engine.assessments.values()):
        unread = [*loaded.picture.unread]
        if "aws" in engine.platforms and TARGET_GROUP_BINDING in loaded.picture.unlisted:
            # Not among the unread kinds: most clusters have none, so a dump without them is usually complete.
            unread.append(TARGET_GROUP_BINDING)
        if unread:
            lacking += unread
            services = f"{unclaimed} Service{'s' if unclaimed > 1 else ''}"
            effects.append(f"{services} without a known consumer may have one")
    verdicts = [verdict for a in engine.assessments.values() for verdict in a.consumers]
    missed = {*engine.missed}
    if any(verdict.reason.code in _BY_INGRESS_CLASS for verdict in verdicts):
        missed |= {INGRESS_CLASS} & loaded.picture.unlisted.keys()
    if missed and any(verdict.outcome is Outcome.Unknown for verdict in verdicts):
        lacking += sorted(missed - {*lacking}, key=lambda kind: kind.resource)
        effects.append("outcomes that depend on them are Unknown")
    if effects:
        loaded.not_read += [kind.resource for kind in lacking]
        *others, last = (kind.resource for kind in lacking)
        names = ", ".join(others) + " and " * bool(others) + last
        # kubectl fails for a kind that is not served, and does not say of which kind its List is empty.
        surely = {*lacking} <= {ENDPOINT_SLICE, INGRESS_CLASS}
        how = _by_kubectl(lacking) if surely else "`etpguard dump` reads all kinds"
        loaded.warnings.append(f"no {names} in the input: {', and '.join(effects)}; {how}")


_BY_INGRESS_CLASS = ("IngressClassNotReadable", "ControllerNotKnown")


def _by_kubectl(kinds: Sequence[AnyKind]) -> str:
    plurals = ",".join(kind.plural for kind in kinds)
    return f"add -f more.yaml after `kubectl get {plurals} -A -o yaml > more.yaml`"
