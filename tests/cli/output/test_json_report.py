"""The report as JSON, part by part, is the report as a whole."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane
from etpguard.assess.outcome import Reason
from etpguard.cli.output.json_report import json_report
from etpguard.objects import Key
from etpguard.report import Contents, coverage_report
from tests.report.given import nginx
from tests.report.planes import planes_of


@pytest.mark.parametrize("services", [0, 1, 3])
@pytest.mark.parametrize("warnings", [[], ["the entries of services", 'a\nb "c"']])
def test_the_parts_are_the_whole(services: int, warnings: list[str]) -> None:
    assessment, table = nginx()
    assessments = [
        replace(assessment, key=Key("default", f"s{number}"), reason=Reason("Code", 'new\nlines, [\n    "x"\n  ]'))
        for number in range(services)
    ]
    planes = planes_of(KnownDataPlane(DataPlane.KUBE_PROXY))
    contents = Contents(planes, assessment.nodes, assessments, table, lambda _: ["do"], warnings=warnings)
    whole = msgspec.json.format(msgspec.json.encode(coverage_report(contents)), indent=2)
    assert b"".join(json_report(contents)) == whole + b"\n"


def test_the_text_up_to_a_fault_is_no_document() -> None:
    def advice(each: Assessment) -> list[str]:
        if each.key.name == "s2":
            raise RuntimeError("a fault of the program")
        return ["do"]

    assessment, table = nginx()
    assessments = [replace(assessment, key=Key("default", f"s{number}")) for number in range(4)]
    planes = planes_of(KnownDataPlane(DataPlane.KUBE_PROXY))
    written: list[bytes] = []
    with pytest.raises(RuntimeError, match="a fault of the program"):
        written.extend(json_report(Contents(planes, assessment.nodes, assessments, table, advice)))
    assert b'"s1"' in b"".join(written)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(b"".join(written))
