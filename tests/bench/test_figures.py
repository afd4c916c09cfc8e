"""Spreads, ratios of pairs, and what a larger cluster would take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import curve, machine, results
from bench.big_cluster import Size, is_local
from bench.extrapolate import fit
from bench.pairs import Command, alternate, show
from bench.processes import usage
from bench.spread import Spread, ratios


def test_a_spread_has_median_least_and_most() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert Spread.of([3.0, 1.0, 2.0]).shown(1) == "2.0 (1.0 to 3.0)"


def test_ratios_are_those_of_runs_beside_each_other() -> None:
    """A machine that was slow for one pair does not count."""
    assert ratios([1.0, 10.0, 1.0], [2.0, 20.0, 2.0]) == Spread(0.5, 0.5, 0.5, 3)


def test_a_figure_whose_runs_differ_twofold_is_left_out() -> None:
    assert curve.steady("cpu", [1.0, 2.0]) == {"cpu": Spread(1.5, 1.0, 2.0, 2)}
    assert curve.steady("cpu", [1.0, 2.1]) == {}


def test_growth_has_only_what_both_points_have() -> None:
    points: list[dict[str, object]] = [
        {"perObject": {"peak": 2.0}, "updateCpuMs": {"median": 0.5}},
        {"perObject": {"peak": 1.0}, "updateCpuMs": {"median": 1.0}},
        {"perObject": {"peak": 0.5}},
    ]
    assert curve.growth(points[:2]) == {"peak": 0.5, "updateCpu": 2.0}
    assert curve.growth(points) == {"peak": 0.5}


def test_a_line_through_the_points() -> None:
    found = fit([(10, 25.0), (20, 45.0), (40, 85.0)])
    assert found.at(100) == pytest.approx(205)
    assert found.objects_at(205) == pytest.approx(100)


def test_commands_run_in_turn_after_a_warm_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = tmp_path / "order"
    commands = [Command(name, ["sh", "-c", f"echo {name} >> {order}"], cwd=tmp_path) for name in ("a", "b", "c")]
    runs = alternate(commands, 2)
    assert order.read_text().split() == ["a", "b", "c"] * 3
    figures = show("title", commands, runs)
    assert list(figures) == ["a", "b", "c"]
    assert [len(own.wall) for own in runs] == [2, 2, 2]
    assert "ratio" in capsys.readouterr().out


def test_a_command_that_fails_ends_the_benchmark() -> None:
    with pytest.raises(RuntimeError, match="exit code 2"):
        alternate([Command("bad", ["sh", "-c", "exit 2"])], 1)


def test_usage_counts_the_process_tree() -> None:
    child = "import sys, time; held = bytearray(40_000_000); print(1, flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        both = usage(process.pid)
        assert both.threads == 2
        assert both.memory > 40_000_000
        assert both.peak >= both.memory
        assert both.cpu > 0
    finally:
        os.killpg(process.pid, 9)
        process.communicate()
    assert usage(process.pid).memory == 0


@pytest.mark.parametrize("size", [Size(), Size(services=7, local=3), Size(services=5, local=0)])
def test_the_share_of_local_services_is_even(size: Size) -> None:
    local = [is_local(size, i) for i in range(size.services)]
    assert sum(local) == size.local
    half = len(local) // 2
    assert abs(sum(local[:half]) - size.local / 2) <= 1


def test_a_part_replaces_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "figures" / "bench.json"
    for part, seconds in (("check", 1), ("wire", 2), ("check", 3)):
        results.write(file, part, {"seconds": seconds}, {"cores": seconds})
    assert json.loads(file.read_text()) == {
        "check": {"machine": {"cores": 3}, "figures": {"seconds": 3}},
        "wire": {"machine": {"cores": 2}, "figures": {"seconds": 2}},
    }


def test_a_description_says_what_a_reader_must_know() -> None:
    found = machine.description()
    assert {"date", "cpu", "cores", "memoryGB", "load", "python", "commit"} <= found.keys()
    assert all(value != "" for name, value in found.items() if name != "commit")
