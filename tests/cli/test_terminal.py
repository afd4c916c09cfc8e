"""What a person gets to see: at any width, without colour, and of text that was written to deceive."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from etpguard.cli.output.table import plain
from etpguard.objects.text import harmless
from tests.cli.program import SEED, etpguard, failed
from tests.cli.terminal import COLOUR, on_terminal

NAME = "default/nginx-nginx-ingress-controller"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def test_without_the_extra_the_table_is_plain_and_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')")
    piped = etpguard("check", "-f", SEED).out
    assert on_terminal(200, "check", "-f", SEED, PYTHONPATH=str(tmp_path)) == piped
    ours, its = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "etpguard", "check", "-f", SEED],
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=60,
    )
    os.close(its)
    os.close(ours)
    assert done.returncode == 0
    assert done.stderr.decode() == (
        "etpguard: for a table in colour that fits the terminal, install etpguard[cli]\n"
    )


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 200])
def test_no_column_is_lost_at_any_width(columns: int) -> None:
    seen = re.sub(r"\s", "", STYLE.sub("", on_terminal(columns, "check", "-f", SEED)))
    whole = ("OUTCOME", "SERVICE", "UNCOVERED", "NODES", "TargetsUnhealthy", "2/3", "node3")
    folded = ("default/nginx-ng", "ingress-controlle")
    for part in whole + folded:
        assert part in seen


def test_columns_that_would_be_folded_to_shreds_are_whole_lines() -> None:
    lines = on_terminal(100, "check", "-f", SEED, "-o", "wide").splitlines()
    assert len(lines) == 5
    assert lines[0].split()[-2:] == ["REASON", "ASSUMPTIONS"]
    assert len(on_terminal(200, "check", "-f", SEED, "-o", "wide").splitlines()) > 5


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        pytest.param({}, True, id="by default"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, True, id="NO_COLOR that is empty, which says nothing"),
        pytest.param({"TERM": "dumb"}, False, id="a terminal that has none"),
    ],
)
def test_colours(environment: dict[str, str], coloured: bool) -> None:
    assert bool(COLOUR.search(on_terminal(80, "check", "-f", SEED, **environment))) is coloured


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a é 😀", "a é 😀", id="letters"),
        pytest.param("\x1b[2J\x9b1m\a", r"\x1b[2J\x9b1m\x07", id="what moves the cursor"),
        pytest.param("a\nb\rc\td", r"a\nb\rc\td", id="what ends a line"),
        pytest.param("a\u202eb", r"a\u202eb", id="what turns the direction of writing"),
        pytest.param("\udcff", r"\udcff", id="a byte of an argument that is no text"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert plain(["A"], [[text]])[1] == shown


@pytest.fixture
def deceiving() -> str:
    """The seed case with a health check path that would clear the screen and print another line there."""
    items = yaml.load(SEED.read_text(), yaml.CSafeLoader)["items"]
    (ingress,) = (item for item in items if item["kind"] == "Ingress")
    ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/healthcheck-path"] = "/\x1b[2J\nOutcome: é"
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def test_an_annotation_cannot_imitate_the_output_of_the_program(deceiving: str) -> None:
    run = etpguard("explain", NAME, "-f", "-", stdin=deceiving)
    assert run.code == 0
    assert r"HTTP /\x1b[2J\nOutcome: é on port" in run.out


def test_a_warning_does_not_either() -> None:
    assert r"\x1b[2Jgone" in failed(etpguard("check", "-f", "/nonexistent/\x1b[2Jgone"))


@pytest.mark.parametrize("arguments", [("explain", NAME), ("check", "-o", "yaml"), ("check", "-o", "wide")])
def test_an_encoding_that_lacks_a_character_costs_no_report(deceiving: str, arguments: tuple[str, ...]) -> None:
    run = etpguard(*arguments, "-f", "-", stdin=deceiving, PYTHONIOENCODING="ascii")
    assert (run.code, run.err) == (0, "")
    assert run.out.isascii()
