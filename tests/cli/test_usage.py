"""Options and arguments that are wrong: code 2, and the last line says which and why."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from tests.cli.program import SEED, etpguard


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["check", "--no-such"], "--no-such", id="an unknown option"),
        pytest.param(
            ["check", "--fail-on", "Doom"], "'Doom' is not one of NotAffected, Covered,", id="an unknown outcome"
        ),
        pytest.param(["check", "-n", "a", "-A"], "-n and -A exclude each other", id="a namespace and all"),
        pytest.param(["check", "--answers-everywhere-ports", "80,x"], "'80,x'", id="a port that is none"),
        pytest.param(["explain", "a/b/c"], "'a/b/c' is not NAMESPACE/SERVICE", id="a name with two slashes"),
        pytest.param(["rollback", "/b"], "'/b' is not NAMESPACE/SERVICE", id="a namespace that is empty"),
        pytest.param(
            ["check", "-f", "x", "--context", "c"], "-f and --context exclude each other", id="files and a context"
        ),
        pytest.param(
            ["explain", "a/b", "-f", "x", "--kubeconfig", "c"],
            "-f and --kubeconfig exclude each other",
            id="files and a kubeconfig",
        ),
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str], told: str) -> None:
    run = etpguard(*arguments)
    assert (run.code, run.out) == (2, "")
    *_, line = run.err.splitlines()
    assert line.startswith("Error: ")
    assert told in line
    assert "Traceback" not in run.err


def test_the_outcomes_that_are_told_are_all_there_are_best_to_worst() -> None:
    told = etpguard("check", "--fail-on", "?").err.rpartition("is not one of ")[2]
    assert told.rstrip(".\n").split(", ") == [outcome.name for outcome in sorted(Outcome)]


def test_an_outcome_is_taken_in_any_case() -> None:
    assert [etpguard("check", "-f", SEED, "--fail-on", o).code for o in ("targetsunhealthy", "UNKNOWN")] == [1, 0]


@pytest.mark.parametrize("ports", ["80,http", "0", "65536", "9" * 5000])
def test_ports_that_are_none(ports: str) -> None:
    run = etpguard("check", "-f", SEED, "--answers-everywhere-ports", ports)
    assert (run.code, run.out) == (2, "")
    assert f"{ports[:50]}" in run.err
    assert "is not a list of port numbers separated by commas" in run.err
    assert len(run.err) < 500
