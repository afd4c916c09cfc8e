"""Several clusters in one report: `check --context A --context B` and `--all-contexts`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import Cluster
from etpguard.cli.errors import Failure
from etpguard.cli.fleet import TOGETHER, all_contexts, read_all
from etpguard.cli.input.sources import Sources, assess
from etpguard.cli.output import report
from etpguard.cli.reading import ClusterReport, Reading
from tests.cli.program import SEED, etpguard, failed

NAME = "default/nginx-nginx-ingress-controller"


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Two clusters that are both the seed case, and one that could not be read."""
    assessed = assess(Sources(files=[str(SEED)]))
    chosen = list(assessed.assessments.values())
    reports = [ClusterReport(assessed, chosen, "earth"), ClusterReport(assessed, [], "moon")]
    return Reading(reports, {"mars": "no answer"}, fleet=True)


def test_the_table_names_the_cluster(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    report.write(reading, "table", 100, "never")
    head, row, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["CLUSTER", "OUTCOME", "SERVICE", "UNCOVERED", "NODES"]
    assert row.split()[:4] == ["earth", "TargetsUnhealthy", NAME, "2/3"]
    assert any(line.startswith("earth: Assumed: ") for line in rest)


def test_nothing_in_any_cluster(reading: Reading, capsys: pytest.CaptureFixture[str]) -> None:
    report.write(Reading(reading.reports[1:], fleet=True), "table", 100, "never")
    assert capsys.readouterr().out.startswith("No Service with externalTrafficPolicy Local")


def test_json_and_yaml_name_it_too(reading: Reading, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    report.write(reading, "json", 100, "never")
    made = yaml.load(capfdbinary.readouterr().out, yaml.CSafeLoader)
    assert (made["apiVersion"], made["kind"]) == ("etpguard.dev/v1alpha1", "CoverageReportList")
    assert [(each["cluster"], len(each["services"])) for each in made["items"]] == [("earth", 1), ("moon", 0)]
    assert made["failed"] == [{"cluster": "mars", "error": "no answer"}]
    report.write(reading, "yaml", 100, "never")
    assert yaml.load(capfdbinary.readouterr().out, yaml.CSafeLoader) == made


def test_one_report_does_not_name_a_cluster() -> None:
    assert "cluster" not in etpguard("check", "-f", SEED, "-o", "json").report


class TestReadAll:
    def test_clusters_are_read_at_the_same_time_but_not_all(self) -> None:
        together, most, lock, enough = 0, 0, threading.Lock(), threading.Event()

        def read(context: str) -> Any:
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
                if together == TOGETHER:
                    enough.set()
            enough.wait(60)
            with lock:
                together -= 1
            return context

        names = [f"c{number}" for number in range(3 * TOGETHER)]
        assert list[Any](read_all(names, read).reports) == names
        assert most == TOGETHER

    def test_one_that_fails_hides_no_other(self) -> None:
        def read(context: str) -> Any:
            match context:
                case "moon":
                    raise Failure("no answer")
                case "mars":
                    raise ValueError("odd")
            return context

        found = read_all(["earth", "moon", "mars", "sun"], read)
        assert list[Any](found.reports) == ["earth", "sun"]
        assert found.failed == {"moon": "no answer", "mars": "ValueError: odd"}

    def test_all_that_fail_are_a_failure(self) -> None:
        def read(context: str) -> Any:
            raise Failure("no answer")

        with pytest.raises(Failure, match="earth: no answer; moon: no answer"):
            read_all(["earth", "moon"], read)


def test_the_contexts_of_a_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("contexts: [{name: moon}, {name: earth}, {context: {}}]")
    assert all_contexts(str(file)) == ("earth", "moon")
    file.write_text("contexts: []")
    with pytest.raises(Failure, match="no contexts"):
        all_contexts(str(file))
    assert "no such file" in failed(etpguard("check", "--all-contexts", "--kubeconfig", tmp_path / "none"))


@pytest.fixture(scope="module")
def two_contexts(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with the contexts here and also-here of one cluster, and nowhere, which nothing serves."""
    document = yaml.load(cluster.kubeconfig.read_text(), yaml.CSafeLoader)
    (context,) = document["contexts"]
    document["clusters"].append({"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}})
    lost = {**context["context"], "cluster": "nowhere"}
    document["contexts"] = [
        {"name": "here", "context": context["context"]},
        {"name": "also-here", "context": context["context"]},
        {"name": "nowhere", "context": lost},
    ]
    file = tmp_path_factory.mktemp("fleet") / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.controlplane
@pytest.mark.usefixtures("a_node")
def test_live(two_contexts: Path) -> None:
    def check(*arguments: str) -> Any:
        return etpguard(
            "check", "--kubeconfig", two_contexts, "-n", "kube-node-lease", "-o", "json", *arguments,
            ETPGUARD_CONTEXT="none-such",
        )  # fmt: skip

    both = check("--context", "here", "--context", "also-here")
    assert [each["cluster"] for each in both.report["items"]] == ["here", "also-here"]
    assert (both.code, both.report["failed"]) == (0, [])
    every = check("--all-contexts")
    assert every.code == 2
    assert [each["cluster"] for each in every.report["items"]] == ["also-here", "here"]
    assert [each["cluster"] for each in every.report["failed"]] == ["nowhere"]
    assert "etpguard: nowhere: cannot reach https://127.0.0.1:1" in every.err
