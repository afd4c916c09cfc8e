"""The part of `etpguard explain` on the consumers of a Service: what each one sends where, and what that means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from etpguard.cli.input.sources import Assessed
from etpguard.cli.output import aws_console
from etpguard.objects.text import listed

if TYPE_CHECKING:
    from etpguard.assess import Assessment

_NO_RULE = ("ControllerNotModelled", "ControllerNotKnown", "LoadBalancerNotRecognised", "SeveralControllers")
"""The codes of reasons that say that how a consumer works is not known."""


def lines(assessed: Assessed, assessment: Assessment, max_nodes: int, *, remediated: bool) -> Iterable[str]:
    """A paragraph for each consumer. For a remediated Service, `assessment` is the one under Local."""
    from etpguard.report import explain_verdict
    from etpguard.report.resilience import resilience_lines
    from etpguard.report.sentences import evidence_in_words

    table = assessed.loaded.picture.nodes
    yield ""
    if not assessment.consumers:
        yield "No consumer is known: no load balancer or route in the API objects that sends traffic to it."
        if (resilience := assessment.resilience) is not None:
            yield from (f"  {line}" for line in resilience_lines(resilience, table, max_nodes))
        return
    yield "Who sends traffic to it" + (", and what would happen under Local" if remediated else "")
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        yield f"  {consumer} to port {consumer.port or '(unnamed)'}"
        how = f", {consumer.target_type} targets" if consumer.target_type else ""
        yield f"    by {consumer.controller or 'an unknown controller'}{how}"
        if check := consumer.check and consumer.check.settings:
            path = f" {check.path}" if check.path else ""
            codes = f", success on {check.success_codes}" if check.success_codes else ""
            yield f"    health check: {check.protocol}{path} on port {check.port}{codes}"
        if verdict.eligible:
            total, lost = verdict.eligible.bit_count(), verdict.uncovered.bit_count()
            uncovered = f"{lost} of them would drop it" if remediated else f"{lost} uncovered"
            yield f"    sends to {total} node{'s' if total > 1 else ''}, {uncovered}"
        if verdict.uncovered:
            names = table.names(verdict.uncovered, max_nodes)
            which = "would drop it" if remediated else "uncovered"
            yield f"    {which}: {listed(names, len(names), verdict.uncovered.bit_count())}"
        if verdict.unused:
            names = table.names(verdict.unused, max_nodes)
            yield f"    nodes with endpoints to which it never sends: {', '.join(names)}"
        would = "under Local it would be " if remediated else ""
        yield f"    {would}{verdict.outcome.name}: {explain_verdict(verdict)}"
        if (resilience := verdict.resilience) is not None:
            yield from (f"    {line}" for line in resilience_lines(resilience, table, max_nodes))
        if consumer.source:
            yield f"    note: {consumer.source}"
        if verdict.reason.code not in _NO_RULE:
            yield f"    how this is known: {evidence_in_words(consumer.evidence)}"
        yield from (f"    assumed: {text}" for text in consumer.assumptions)
        if not remediated and (shown := aws_console.shown(verdict)):
            yield f"    the AWS console shows: {shown}"
