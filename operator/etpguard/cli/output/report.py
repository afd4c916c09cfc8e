"""Print what `check` read, in one of `formats.FORMATS`."""

from __future__ import annotations

import sys

from etpguard.cli.output.formats import TABLES
from etpguard.cli.output.structured import write_yaml
from etpguard.cli.reading import ClusterReport, Reading
from etpguard.outcomes import Outcome
from etpguard.report import coverage_report


def write(reading: Reading, output: str, max_nodes: int, fail_on: str) -> None:
    """Print to stdout. `fail_on` is the name of an outcome, or "never"."""
    fails = Outcome.__members__.get(fail_on)
    if output in TABLES:
        from etpguard.cli.output import table

        table.show(reading, wide=output == "wide", max_nodes=max_nodes)
        if any(each.internal for each in reading.reports):
            from etpguard.cli.output import inside_table

            inside_table.show(reading, wide=output == "wide", max_nodes=max_nodes)
    elif output == "json":
        from etpguard.cli.output.json_report import json_report, json_reports

        contents = [each.contents(max_nodes) for each in reading.reports]
        parts = json_reports(contents, reading.failed) if reading.fleet else json_report(contents[0])
        sys.stdout.flush()
        sys.stdout.buffer.writelines(parts)
    elif output == "yaml":
        from etpguard.cli.output.json_report import report_list

        reports = [coverage_report(each.contents(max_nodes)) for each in reading.reports]
        write_yaml(report_list(reports, reading.failed) if reading.fleet else reports[0], sys.stdout)
    elif output == "junit":
        from etpguard.cli.output.junit import junit

        reports = [coverage_report(each.contents(max_nodes)) for each in reading.reports]
        print(junit(reports, fails, reading.failed, internal=reading.internal))
    elif output == "sarif":
        from etpguard.cli.output.sarif import sarif
        from etpguard.cli.output.structured import print_json

        pairs = [(coverage_report(each.contents(max_nodes)), _location(each)) for each in reading.reports]
        print_json(sarif(pairs, fails, reading.failed, internal=reading.internal))
    elif output == "html":
        from etpguard.cli.output.html import html

        (only,) = reading.reports
        sys.stdout.flush()
        sys.stdout.buffer.write(html(only).encode())
    else:
        from etpguard.cli.output.markdown import markdown

        reports = [coverage_report(each.contents(max_nodes)) for each in reading.reports]
        print(markdown(reports, reading.failed), end="")


def _location(each: ClusterReport) -> str:
    """The source of the objects: the server or the only file; "" for several files and for stdin."""
    files = each.assessed.sources.files
    if not files:
        return each.assessed.loaded.where
    return files[0] if len(files) == 1 and files[0] != "-" else ""
