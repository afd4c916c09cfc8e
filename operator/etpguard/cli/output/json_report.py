"""A CoverageReport as JSON that people can read."""

from __future__ import annotations

import msgspec

from etpguard.cli.output.structured import formatted
from etpguard.report import Contents, coverage_report
from etpguard.report.contract import service_reports

_SERVICES = "the entries of services"
_INDENT = b"\n    "


def json_report(contents: Contents) -> list[bytes]:
    """The text in parts. Each Service becomes text as soon as its report is made: the reports of 2,000 Services as
    Python objects, and two copies of the text, take 40 MB."""
    frame = formatted(coverage_report(contents, [_SERVICES]))
    before, _, after = frame.partition(_INDENT + msgspec.json.encode(_SERVICES))
    parts = [before]
    for report in service_reports(contents):
        parts += [b"," if len(parts) > 1 else b"", _INDENT, formatted(report).replace(b"\n", _INDENT)]
    if len(parts) == 1:  # an empty list takes one line
        return [before, after.lstrip(), b"\n"]
    return [*parts, after, b"\n"]
