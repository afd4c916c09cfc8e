"""A CoverageReport as JUnit XML, which most CI systems show: a test for each Service.

The elements and attributes are those of the schema of Jenkins (junit-10.xsd of its xUnit plugin). XML 1.0 allows
all printable characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from etpguard.objects.text import harmless
from etpguard.outcomes import Outcome, severity

Json = Mapping[str, Any]


def junit(
    reports: Sequence[Json], fail_on: Outcome | None, failed: Mapping[str, str], *, internal: bool = False
) -> str:
    """The XML. A Service with the outcome `fail_on` or a worse one is a failure; None for never. Unknown is
    skipped unless it fails. What clients in the cluster lose is another test, which fails only with `internal`.
    Each of several clusters is a suite. A cluster that could not be read (`failed`) is an error."""
    suites = [_suite(report, fail_on, fail_on if internal else None) for report in reports]
    suites += [_error(cluster, why) for cluster, why in failed.items()]
    root = suites[0] if len(suites) == 1 else ElementTree.Element("testsuites", name="etpguard")
    root.extend(suites if len(suites) > 1 else ())
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}'


def _suite(report: Json, fail_on: Outcome | None, internal_fail_on: Outcome | None) -> ElementTree.Element:
    cluster = harmless(report.get("cluster", ""))
    suite = ElementTree.Element("testsuite", name=f"etpguard {cluster}".rstrip())
    failures = skipped = 0
    tests = [(service, service["name"], _severity(service), fail_on) for service in report["services"]]
    tests += [
        (entry, f"{entry['name']} (clients in the cluster)", severity(_severity(entry)), internal_fail_on)
        for entry in report["internal"]
    ]
    for service, name, weight, least in tests:
        group = harmless(f"{cluster}.{service['namespace']}" if cluster else service["namespace"])
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=harmless(name))
        outcome, reason = Outcome[service["outcome"]], harmless(service.get("reason", ""))
        if least is not None and weight >= least:
            failures += 1
            failure = ElementTree.SubElement(
                case, "failure", type=outcome.name, message=f"{outcome.name}: {reason}"
            )
            failure.text = "\n".join(map(harmless, _details(service)))
        elif outcome is Outcome.Unknown:
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=f"{outcome.name}: {reason}")
        else:
            ElementTree.SubElement(case, "system-out").text = f"{outcome.name}: {reason}"
    if notes := _notes(report):
        ElementTree.SubElement(suite, "system-out").text = "\n".join(map(harmless, notes))
    return _counted(suite, len(tests), failures=failures, skipped=skipped)


def _error(cluster: str, why: str) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=f"etpguard {harmless(cluster)}")
    case = ElementTree.SubElement(suite, "testcase", classname=harmless(cluster), name="cluster")
    ElementTree.SubElement(case, "error", type="NotRead", message=harmless(why))
    return _counted(suite, 1, errors=1)


def _counted(
    suite: ElementTree.Element, tests: int, *, failures: int = 0, skipped: int = 0, errors: int = 0
) -> ElementTree.Element:
    counts = {"tests": tests, "failures": failures, "skipped": skipped, "errors": errors}
    for name, count in counts.items():
        suite.set(name, str(count))
    return suite


def _notes(report: Json) -> list[str]:
    """The assumptions, and the warnings."""
    return [
        *(f"Assumed: {each}." for each in report["assumptions"]),
        *(f"Warning: {each}" for each in report["warnings"]),
    ]


def _severity(entry: Json) -> Outcome:
    return Outcome[entry["outcome"]]


def _details(service: Json) -> list[str]:
    lines = [
        f"{', '.join(cause['nodes'])}: {', and '.join(reason['message'] for reason in cause['reasons'])}"
        for cause in service.get("causes", ())
    ]
    for consumer in service.get("consumers", ()):
        lines.append(f"{consumer['kind']} {consumer['namespace']}/{consumer['name']}: {consumer['outcome']}")
        if consumer["uncoveredNodes"]:
            lines.append(f"  uncovered nodes: {', '.join(consumer['uncoveredNodes'])}")
    return [*lines, *(f"advice: {each}" for each in service["advice"])]
