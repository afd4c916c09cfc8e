"""A CoverageReport as JSON that people can read, and those of several clusters as a CoverageReportList."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from etpguard.cli.output.structured import formatted, formatted_entry
from etpguard.objects import API_VERSION
from etpguard.report import Contents, coverage_report
from etpguard.report.contract import service_reports

_SERVICES = "the entries of services"
_REPORTS = "the entries of items"
_INDENT = b"\n    "


def json_report(contents: Contents) -> Iterator[bytes]:
    """The text, in parts. Each Service becomes text when its part is taken. The reports of 2,000 Services as
    Python objects, and two copies of the text, would take 40 MB; one copy takes 20 MB, and 37 ms to get that
    memory. So if etpguard fails at a Service, its reader has the text up to there. No parser takes that for a
    report: the end of the document comes last."""
    entries = map(formatted_entry, service_reports(contents))
    return _filled(coverage_report(contents, [_SERVICES]), _SERVICES, entries)


def json_reports(reports: Sequence[Contents], failed: Mapping[str, str]) -> Iterator[bytes]:
    """The text of a CoverageReportList, in parts."""
    texts = (b"".join(json_report(each)).rstrip(b"\n").replace(b"\n", _INDENT) for each in reports)
    return _filled(report_list([_REPORTS], failed), _REPORTS, texts)


def report_list(reports: Sequence[Any], failed: Mapping[str, str]) -> dict[str, Any]:
    """A CoverageReportList: the reports of several clusters, and why a cluster has none."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CoverageReportList",
        "items": list(reports),
        "failed": [{"cluster": cluster, "error": why} for cluster, why in failed.items()],
    }


def _filled(frame: object, mark: str, entries: Iterator[bytes]) -> Iterator[bytes]:
    """The text of `frame`, in parts. The entries of a list, with their indent, replace `mark`."""
    before, _, after = formatted(frame).partition(_INDENT + msgspec.json.encode(mark))
    yield before
    number = 0
    for number, entry in enumerate(entries, 1):
        yield (b"," if number > 1 else b"") + _INDENT + entry
    yield after if number else after.lstrip()  # an empty list takes one line
    yield b"\n"
