"""A CoverageReport as JUnit XML, which most CI systems show: a test for each Service.

The elements and attributes are those of the schema of Jenkins (junit-10.xsd of its xUnit plugin).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from etpguard.outcomes import Outcome

Json = Mapping[str, Any]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow."""


def junit(report: Json, fail_on: Outcome | None) -> str:
    """A failure for each Service with the outcome `fail_on` or a worse one, None for never. Unknown is skipped
    unless it fails."""
    suite = ElementTree.Element("testsuite", name="etpguard")
    failures = skipped = 0
    for service in report["services"]:
        case = ElementTree.SubElement(suite, "testcase", classname=service["namespace"], name=service["name"])
        outcome, reason = Outcome[service["outcome"]], _text(service.get("reason", ""))
        if fail_on is not None and outcome >= fail_on:
            failures += 1
            failure = ElementTree.SubElement(
                case, "failure", type=outcome.name, message=f"{outcome.name}: {reason}"
            )
            failure.text = _text("\n".join(_details(service)))
        elif outcome is Outcome.Unknown:
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=f"{outcome.name}: {reason}")
        else:
            ElementTree.SubElement(case, "system-out").text = f"{outcome.name}: {reason}"
    if notes := _notes(report):
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(notes))
    suite.set("tests", str(len(report["services"])))
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    suite.set("errors", "0")
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}'


def _notes(report: Json) -> list[str]:
    """What the outcomes rest on, and the warnings."""
    return [
        *(f"Assumed: {each}." for each in report["assumptions"]),
        *(f"Warning: {each}" for each in report["warnings"]),
    ]


def _details(service: Json) -> list[str]:
    lines = []
    for consumer in service["consumers"]:
        lines.append(f"{consumer['kind']} {consumer['namespace']}/{consumer['name']}: {consumer['outcome']}")
        if consumer["uncoveredNodes"]:
            lines.append(f"  uncovered nodes: {', '.join(consumer['uncoveredNodes'])}")
    return [*lines, *(f"advice: {each}" for each in service["advice"])]


def _text(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)
