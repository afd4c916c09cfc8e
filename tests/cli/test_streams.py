"""Standard output and input that are closed, full, or no longer read: the exit code holds, and no traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from etpguard.cli.output.streams import narrate
from tests.cli.program import SEED, etpguard, failed

OUTAGE = SEED.parents[1] / "outage" / "cluster-state.yaml"
SERVICE = "default/nginx-nginx-ingress-controller"
EXPLAIN = ("explain", SERVICE, "-f", SEED)


def through_shell(redirection: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As a shell runs it with that redirection; its exit code is the program's."""
    program = [sys.executable, "-W", "error", "-m", "etpguard", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}', "bash", *program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": "/nonexistent"},
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("check", "-f", SEED), 0, id="a table"),
        pytest.param(("check", "-f", SEED, "-o", "json"), 0, id="JSON"),
        pytest.param(("check", "-f", OUTAGE, "-o", "yaml"), 1, id="an outage as YAML"),
        pytest.param(EXPLAIN, 0, id="a story"),
    ],
)
@pytest.mark.parametrize("redirection", ["| true", ">&-"], ids=["a reader that is gone", "closed"])
def test_the_exit_code_is_the_reports_whatever_happens_to_its_reader(
    redirection: str, arguments: tuple[str | Path, ...], code: int
) -> None:
    done = through_shell(redirection, *arguments)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("check", "-f", OUTAGE), id="a table"),
        pytest.param(("check", "-f", OUTAGE, "-o", "json"), id="JSON"),
        pytest.param(EXPLAIN, id="a story"),
    ],
)
def test_a_full_disk_is_one_line_on_stderr(arguments: tuple[str | Path, ...]) -> None:
    done = through_shell(">/dev/full", *arguments)
    assert (done.returncode, done.stderr) == (2, "etpguard: standard output: No space left on device\n")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("check", "-f", "-"), id="objects"),
        pytest.param(("check", "-f", OUTAGE, "--policy", "-"), id="a policy"),
        pytest.param(("verify", "-f", SEED, SERVICE, "--from-file", "-"), id="addresses"),
        pytest.param(("what-if", "-f", SEED, "apply", "-f", "-"), id="manifests"),
    ],
)
def test_a_closed_standard_input_is_one_line_on_stderr(arguments: tuple[str | Path, ...]) -> None:
    done = through_shell("<&-", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "etpguard: stdin: closed\n")


def test_an_empty_standard_input_is_one_line_on_stderr() -> None:
    assert failed(etpguard("check", "-f", "-", stdin="")) == "etpguard: stdin: empty"


def test_more_nodes_than_can_be_counted_are_a_usage_error() -> None:
    run = etpguard("check", "-f", SEED, "--max-nodes", "9" * 20)
    assert (run.code, run.out) == (2, "")
    assert "--max-nodes" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("redirection", "arguments", "code"),
    [
        pytest.param("| true", ("--help",), 0, id="help that nobody reads"),
        pytest.param("2>&1 >/dev/null | true", ("check", "-f", "/nonexistent"), 2, id="an error unread"),
        pytest.param("2>&1 | true", ("check", "-f", OUTAGE, "-n", "nobody"), 0, id="a warning that nobody reads"),
        pytest.param("2>&1 | true", ("check", "-f", OUTAGE, "-f", OUTAGE), 1, id="a warning beside an outage"),
        pytest.param(">/dev/full", ("--help",), 2, id="help on a full disk"),
        pytest.param("2>&-", ("check", "-f", "/nonexistent"), 2, id="an error with standard error closed"),
    ],
)
def test_the_exit_code_holds_whatever_becomes_of_the_lines(
    redirection: str, arguments: tuple[str | Path, ...], code: int
) -> None:
    done = through_shell(redirection, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_work_goes_on_when_its_lines_find_no_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full(full.fileno()))
        narrate("one")
        narrate("two")
    assert capsys.readouterr() == ("", "etpguard: standard output: No space left on device\n")


class Full(io.StringIO):
    """Passes each write on at once, and keeps nothing that would be written again at the end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        return os.write(self._descriptor, text.encode())


def test_lines_about_work_have_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of a webhook, for example, on a console without these characters."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    narrate("not allowed: \u4e0d\u884c \x1b[2J")
    assert written.getvalue() == b"not allowed: \\u4e0d\\u884c \\x1b[2J\n"
