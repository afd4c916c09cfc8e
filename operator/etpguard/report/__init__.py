"""An Assessment in the shapes and words of the public contract: the CoverageReport of `check`, the ServiceCoverage
and the condition of a Service, the Events, and the sentences that they share. No other package makes these. Pure.
"""

from etpguard.report.contract import Contents, coverage_report, service_report
from etpguard.report.messages import condition_message, covered, delivered, event_note
from etpguard.report.sentences import explain_reason, explain_verdict
from etpguard.report.service_coverage import MAX_STATUS_BYTES, conditions

__all__ = [
    "MAX_STATUS_BYTES",
    "Contents",
    "condition_message",
    "conditions",
    "coverage_report",
    "covered",
    "delivered",
    "event_note",
    "explain_reason",
    "explain_verdict",
    "service_report",
]
