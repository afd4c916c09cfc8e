"""The required affinity and anti-affinity of pods to pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from etpguard.objects.pods import PodSpec, PodTerm


def shunned_by(spec: PodSpec) -> tuple[PodTerm, ...]:
    found = spec.affinity and spec.affinity.pod_anti_affinity
    return (found and found.required) or ()


def wanted_by(spec: PodSpec) -> tuple[PodTerm, ...]:
    found = spec.affinity and spec.affinity.pod_affinity
    return (found and found.required) or ()


def term_selects(
    term: PodTerm, own: str, own_labels: Mapping[str, str], namespace: str, labels: Mapping[str, str]
) -> bool:
    """Whether the term of a pod in namespace `own` selects a pod. A namespaceSelector is taken to select the own
    namespace and those that are named; an empty one selects all."""
    everywhere = term.namespace_selector is not None and not term.namespace_selector.requirements
    if not everywhere and namespace not in (term.namespaces or (own,)):
        return False
    for key in term.match_label_keys or ():
        if key in own_labels and labels.get(key) != own_labels[key]:
            return False
    for key in term.mismatch_label_keys or ():
        if key in own_labels and labels.get(key) == own_labels[key]:
            return False
    return term.label_selector is not None and term.label_selector.admits(dict(labels))
