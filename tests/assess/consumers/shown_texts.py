"""Everything that etpguard writes of a cluster: no part of it raises, and each text fits where it goes."""

from __future__ import annotations

from collections.abc import Iterator

from etpguard.assess import Engine
from etpguard.assess.advice import Advisor
from etpguard.assess.outcome import Outcome
from etpguard.objects import NODE, SERVICE, Reject
from etpguard.report import event_note, explain_reason, explain_verdict, service_report
from etpguard.report.resilience import resilience_lines
from etpguard.report.service_condition import wanted_condition
from etpguard.report.service_coverage import MAX_STATUS_BYTES, conditions, status
from tests.assess.consumers.checks import shown
from tests.assess.consumers.lost_kinds import Noted

_MAX_NOTE = 1024
"""Bytes of the note of an Event: k8s.io/kubernetes pkg/apis/core/validation/events.go NoteLengthLimit."""


def texts(noted: Noted, engine: Engine) -> Iterator[str]:
    """All sentences and advice about the Services of the cluster. A family whose advice raises fails the test: the
    Advisor would hide it."""
    picture, families, _ = noted
    if any(isinstance(each, Reject) for kind in picture.kinds for each in picture.store(kind).rejects):
        return
    advisor = Advisor(picture, families)
    by_name = {family.name: family for family in families}
    nodes = list(picture.store(NODE))
    for key, assessment in engine.assessments.items():
        yield explain_reason(assessment)
        advice = [shown(each) for each in advisor(assessment)]
        yield from advice
        if {(v.outcome, v.reason.code) for v in assessment.consumers} == {(Outcome.NoTargets, "NoNodePort")}:
            assert [each.partition("\n")[0] for each in advice] == ["Give the Service node ports"]
        note = event_note(assessment, picture.nodes)
        assert len(note.encode()) <= _MAX_NOTE, note
        assert wanted_condition(assessment).reason
        assert conditions(assessment)
        service = picture.get(SERVICE, key)
        assert service is not None
        for verdict in assessment.consumers:
            yield explain_verdict(verdict)
            family = by_name.get(verdict.consumer.family)
            for each in family.advise(service, verdict, nodes) if family else ():
                yield shown(each)
        if assessment.resilience is not None:
            yield from resilience_lines(assessment.resilience, picture.nodes, 3)
        service_report(assessment, picture.nodes, advice)
        assert len(str(status(assessment, picture.nodes, advice))) <= 2 * MAX_STATUS_BYTES
