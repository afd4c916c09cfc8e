"""Options and arguments that are wrong: code 2, and the last line says which and why."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.cli.main import cli
from tests.cli.program import SEED, etpguard, failed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["check", "--no-such"], "--no-such", id="an unknown option"),
        pytest.param(
            ["-n", "shop", "check"],
            "Options follow the command, as in: etpguard check -n NAMESPACE",
            id="an option before the command",
        ),
        pytest.param(
            ["check", "shop/web"], "for one Service: etpguard explain NAMESPACE/SERVICE", id="check of a Service"
        ),
        pytest.param(["check", "dump.json"], "A file is -f FILE", id="check of a file without -f"),
        pytest.param(
            ["check", "--fail-on", "Doom"], "'Doom' is not one of NotAffected, Covered,", id="an unknown outcome"
        ),
        pytest.param(["check", "-n", "a", "-A"], "-n and -A exclude each other", id="a namespace and all"),
        pytest.param(
            ["dump", "-n", "a", "-n", "b"], "--namespace is given 2 times", id="two namespaces of a dump"
        ),
        pytest.param(["explain", "a", "-n", "a", "-n", "b"], "--namespace is given 2 times", id="two for explain"),
        pytest.param(
            ["explain", "a/b", "--context", "a", "--context", "b"], "--context is given 2 times", id="two contexts"
        ),
        pytest.param(
            ["check", "-f", "x", "--all-contexts"],
            "--all-contexts and -f exclude each other",
            id="files and contexts",
        ),
        pytest.param(
            ["check", "--context", "a", "--all-contexts"],
            "--all-contexts and --context exclude each other",
            id="a context and all",
        ),
        pytest.param(
            ["check", "--context", "a", "--context", "b", "-f", "x"],
            "-f and --context exclude each other",
            id="files and two contexts",
        ),
        pytest.param(
            ["check", "--all-contexts", "--policy", "x"], "--policy is for one cluster", id="policies of a fleet"
        ),
        pytest.param(
            ["check", "--all-contexts", "-o", "html"], "-o html is for one cluster", id="a fleet as a page"
        ),
        pytest.param(["check", "-l", "a in ("], "'a in (' is not a label selector", id="no selector"),
        pytest.param(
            ["check", "--outcome", "Doom"], "'Doom' is not one of NotAffected, Covered,", id="no outcome"
        ),
        pytest.param(["check", "-n", ""], "-n: the name of the namespace is empty", id="an unset shell variable"),
        pytest.param(
            ["check", "-o", "xml"],
            "'table', 'wide', 'json', 'yaml', 'junit', 'sarif', 'markdown', 'html'",
            id="an unknown output",
        ),
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
def test_usage_errors_exit_with_2(arguments: list[str], expected: str) -> None:
    run = etpguard(*arguments)
    assert (run.code, run.out) == (2, "")
    *_, line = run.err.splitlines()
    assert line.startswith("Error: ")
    assert expected in line
    assert "Traceback" not in run.err


def test_the_usage_error_lists_every_outcome_from_best_to_worst() -> None:
    choices = etpguard("check", "--fail-on", "?").err.rpartition("is not one of ")[2]
    assert choices.rstrip(".\n").split(", ") == [*(outcome.name for outcome in sorted(Outcome)), "never"]


def test_never_fails_for_no_outcome() -> None:
    assert [etpguard("check", "-f", SEED, "--fail-on", o).code for o in ("NotAffected", "never")] == [1, 0]


def test_an_outcome_is_taken_in_any_case() -> None:
    assert [etpguard("check", "-f", SEED, "--fail-on", o).code for o in ("targetsunhealthy", "UNKNOWN")] == [1, 0]


@pytest.mark.parametrize("ports", ["80,http", "0", "65536", "9" * 5000])
def test_ports_that_are_none(ports: str) -> None:
    line = failed(etpguard("check", "-f", SEED, "--answers-everywhere-ports", ports))
    assert f"--answers-everywhere-ports='{ports[:50]}" in line
    assert "expected port numbers separated by commas" in line
    assert len(line) < 250


def test_commands_read_the_variables_of_their_settings() -> None:
    by_flag = etpguard("check", "-f", SEED, "-o", "json", "--data-plane", "cilium").report
    assert etpguard("check", "-f", SEED, "-o", "json", ETPGUARD_DATA_PLANE="cilium").report == by_flag
    overridden = etpguard(
        "check", "-f", SEED, "-o", "json", "--data-plane=kube-proxy", ETPGUARD_DATA_PLANE="cilium"
    )
    assert overridden.report["dataPlane"]["name"] == "kube-proxy"


def test_a_bad_variable_of_a_setting_that_the_command_has() -> None:
    line = failed(etpguard("explain", "a/b", "-f", SEED, ETPGUARD_DATA_PLANE="ebpf"))
    names = "auto, kube-proxy, cilium, calico-ebpf, ovn-kubernetes, antrea, kube-router, winkernel, other"
    assert line == f"etpguard: ETPGUARD_DATA_PLANE='ebpf': expected one of {names}, or NAME:LABEL-SELECTOR"


def test_files_need_no_kubeconfig_and_check_has_no_hold() -> None:
    run = etpguard(
        "check", "-f", SEED, ETPGUARD_KUBECONFIG="/nowhere", ETPGUARD_CONTEXT="none", ETPGUARD_HOLD="soon"
    )
    assert (run.code, run.err) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["run"], id="run"),
        pytest.param(["check", "-f", str(SEED)], id="check"),
        pytest.param(["explain", "a/b", "-f", str(SEED)], id="explain"),
        pytest.param(["rollback", "a/b"], id="rollback"),
        pytest.param(["uninstall", "--remediations=keep"], id="uninstall"),
    ],
)
def test_an_unknown_variable(arguments: list[str]) -> None:
    line = failed(etpguard(*arguments, ETPGUARD_DATAPLANE="cilium"))
    assert line == (
        "etpguard: ETPGUARD_DATAPLANE: etpguard has no setting of this name; did you mean ETPGUARD_DATA_PLANE?"
    )


@pytest.mark.parametrize("name", list(cli.commands))
def test_every_command_has_help(name: str) -> None:
    run = etpguard(name, "--help", COLUMNS="100")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"Usage: etpguard {name}")


def test_the_list_of_commands_has_whole_sentences() -> None:
    listed = etpguard("--help", COLUMNS="80").out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert "..." not in listed


def test_help_shows_defaults_and_variables() -> None:
    words = " ".join(etpguard("run", "--help", COLUMNS="100").out.split())
    assert "[env var: ETPGUARD_BREAKER; default: 40%]" in words
    assert "[env var: ETPGUARD_KUBECONFIG]" in words
    words = " ".join(etpguard("check", "--help", COLUMNS="100").out.split())
    assert "[env var: ETPGUARD_DATA_PLANE; default: auto]" in words
    assert "2 the check could not be completed" in words
