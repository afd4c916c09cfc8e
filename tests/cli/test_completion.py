"""Completion in a real bash and by the protocol of kubectl, and the version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from etpguard import __version__
from etpguard.cli.completion import answer
from etpguard.cli.main import cli
from tests.cli.program import etpguard


def completed(line: str) -> list[str]:
    """What bash offers after this line."""
    programs = str(Path(sys.executable).parent)
    words = " ".join(f"'{word}'" for word in line.split(" "))
    script = (
        f"source <(etpguard completion bash); COMP_WORDS=({words}); COMP_CWORD={line.count(' ')}; "
        '_etpguard_completion etpguard; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_bash_completes_commands_options_and_values() -> None:
    assert completed("etpguard ver") == ["verify", "version"]
    assert completed("etpguard check --fail") == ["--fail-on"]
    assert "wide" in completed("etpguard check -o ")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("etpguard what-if dr", ["drain"]),
        ("etpguard what-if -f dump.json ro", ["rollout"]),
        ("etpguard what-if drain node1 --b", ["--by"]),
        ("etpguard what-if drain node1 th", ["then"]),
        ("etpguard what-if drain node1 then sc", ["scale"]),
        ("etpguard what-if drain node1 --internal --fail", ["--fail-on"]),
        ("etpguard what-if drain ", []),
    ],
)
def test_bash_completes_the_changes_of_what_if(line: str, found: list[str]) -> None:
    """Without a message on the terminal that the line is not complete yet."""
    assert completed(line) == found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_lines(shell: str) -> None:
    run = etpguard("completion", shell)
    assert run.code == 0
    assert "_ETPGUARD_COMPLETE" in run.out


def test_another_shell_is_an_error_that_lists_the_shells() -> None:
    run = etpguard("completion", "csh")
    assert run.code == 2
    assert "'bash', 'zsh', 'fish'" in run.err


def test_kubectl_gets_a_line_for_each_completion_and_a_directive() -> None:
    *lines, directive = answer(cli, ["exp"])
    assert directive == ":4"
    assert lines == ["explain\tExplain the outcome of one Service."]
    assert "kubeconfig" in " ".join(answer(cli, ["check", "--ku"]))
    assert answer(cli, [])[-1] == ":4"


def test_the_program_that_kubectl_asks() -> None:
    program = Path(sys.executable).parent / "kubectl_complete-etpguard"
    done = subprocess.run([program, "che"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == ":4"
    assert done.stdout.startswith("check\t")


def test_the_version() -> None:
    assert __version__ in etpguard("version").out
    assert json.loads(etpguard("version", "-o", "json").out)["version"] == __version__
