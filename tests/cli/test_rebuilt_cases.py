"""Small clusters as users report them, in tests/cases/rebuilt.yaml: `check` gives an outcome that is right, and
`explain` says what leads to the cause. All of them run in one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from etpguard.cli.main import cli
from tests.cli.shorthand import listed

Json = dict[str, Any]
CASES: list[Json] = yaml.load((Path(__file__).parents[1] / "cases" / "rebuilt.yaml").read_text(), yaml.CSafeLoader)
LOSSES = ("Blackhole", "NoTargets", "Outage")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    code = done.return_value if isinstance(done.return_value, int) else done.exit_code
    return code, done.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_case(case: Json, tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(listed(case)))
    expected = case["expect"]
    if not isinstance(expected, dict):
        expected = {next(iter(case["services"])): expected}
    code, out = run("check", "-f", str(file), "-o", "json")
    found = {f"{each['namespace']}/{each['name']}": each for each in json.loads(out)["services"]}
    for service, right in expected.items():
        report = found[service]
        assert report["outcome"] in ([right] if isinstance(right, str) else right), report["reason"]
        text = " ".join(run("explain", service, "-f", str(file))[1].split())
        assert [words for words in case.get("says", ()) if words not in text] == []
    assert code == int(any(each["outcome"] in LOSSES for each in found.values()))
