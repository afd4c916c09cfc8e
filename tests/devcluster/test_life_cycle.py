"""Nothing is left behind, however a cluster ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import devcluster
from devcluster import Cluster, StartError, first_data, objects
from devcluster.objects import wait_for

pytestmark = pytest.mark.controlplane

_ROOT = Path(__file__).parents[2]

_RUNS_A_CLUSTER = """
import json, signal, sys
import devcluster
# A shell that starts the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with devcluster.start() as cluster:
    started = {"pids": cluster.pids, "directory": str(cluster.directory), "server": cluster.server}
    print(json.dumps(started), flush=True)
    signal.pause()
"""


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, not yet reaped by the process that adopted it


def _listens(server: str) -> bool:
    url = urlsplit(server)
    with socket.socket() as client:
        return client.connect_ex((url.hostname or "", url.port or 0)) == 0


def _nothing_left(pids: dict[str, int], directory: Path, server: str) -> bool:
    return not any(map(_running, pids.values())) and not directory.exists() and not _listens(server)


def test_start_is_quick_and_stop_leaves_nothing() -> None:
    started = time.monotonic()
    with devcluster.start() as cluster:
        took = time.monotonic() - started
        pids, directory, server = cluster.pids, cluster.directory, cluster.server
        assert set(pids) == {"etcd", "kube-apiserver", "kube-controller-manager"}
        assert all(map(_running, pids.values()))
        assert _listens(server)
    assert _nothing_left(pids, directory, server)
    assert took < 30  # some 3 s on an idle machine


def test_an_exception_in_the_block_passes_and_leaves_nothing() -> None:
    left: list[tuple[dict[str, int], Path, str]] = []

    def fail() -> None:
        with devcluster.start(controllers=()) as cluster:
            left.append((cluster.pids, cluster.directory, cluster.server))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _nothing_left(*left[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_process_that_runs_it_leaves_nothing(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUNS_A_CLUSTER],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        started: dict[str, Any] = json.loads(process.stdout.readline())
        pids, directory, server = started["pids"], Path(started["directory"]), started["server"]
        assert all(map(_running, pids.values()))
        process.send_signal(number)
        process.communicate(timeout=60)
    expected = {
        signal.SIGTERM: 128 + signal.SIGTERM,
        signal.SIGINT: -signal.SIGINT,
        signal.SIGKILL: -signal.SIGKILL,
    }
    assert process.returncode == expected[number]
    wait_for(lambda: _nothing_left(pids, directory, server), what="an end of everything")


def test_up_runs_a_cluster_until_it_is_interrupted() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "devcluster", "up", "--scheduler"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        kubeconfig = Path(process.stdout.readline().strip().removeprefix("export KUBECONFIG="))
        server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        assert _listens(server)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not kubeconfig.exists()
    assert not _listens(server)


@pytest.fixture(scope="module")
def open_to_all() -> Iterator[Cluster]:
    """It listens on any address, under names of its own."""
    with devcluster.start(
        controllers=(), bind_address="0.0.0.0", extra_sans=["203.0.113.5", "api.test"]
    ) as cluster:
        yield cluster


def test_programs_outlive_the_thread_that_started_them(open_to_all: Cluster) -> None:
    thread = threading.Thread(target=open_to_all.restart_apiserver, kwargs={"grace": 0})
    thread.start()
    thread.join()
    time.sleep(0.5)  # a program that the end of the thread kills is gone by then
    assert open_to_all.request("GET", "/readyz").ok


def test_the_api_server_comes_back_on_its_port_with_its_data(open_to_all: Cluster) -> None:
    open_to_all.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    open_to_all.stop_apiserver()
    assert set(open_to_all.pids) == {"etcd"}, "no controllers were asked for"
    with pytest.raises(ConnectionRefusedError):
        open_to_all.request("GET", "/readyz")
    open_to_all.start_apiserver()
    with pytest.raises(StartError, match="already running"):
        open_to_all.start_apiserver()
    assert open_to_all.request("GET", "/api/v1/namespaces/kept").ok


def test_a_program_that_does_not_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        pytest.raises(StartError, match=r"kube-apiserver ended with code 1: .*unknown flag: --no-such-flag"),
        devcluster.start(apiserver_flags=["--no-such-flag"]),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_any_address_with_names_of_its_own(open_to_all: Cluster) -> None:
    assert open_to_all.server.startswith("https://127.0.0.1:")
    port = urlsplit(open_to_all.server).port
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.2", port or 0)) == 0
    kubeconfig = json.loads(open_to_all.kubeconfig_for(server="https://203.0.113.5:1").read_text())
    assert "tls-server-name" not in kubeconfig["clusters"][0]["cluster"]
    path = open_to_all.kubeconfig_for(server=f"https://127.0.0.2:{port}")  # not in the certificate
    assert open_to_all.kubectl("--kubeconfig", str(path), "get", "--raw", "/readyz") == "ok"


def test_the_second_start_begins_with_what_the_first_one_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit log says which roles an API server had to write itself."""
    monkeypatch.setattr(first_data, "place", lambda _: tmp_path / "kept")

    def written() -> tuple[set[str], int]:
        with devcluster.start(controllers=()) as cluster:
            namespaces = cluster.request("GET", "/api/v1/namespaces").json()["items"]
            objects.apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "own"}})
            writes = [event for event in cluster.audit() if event["verb"] == "create"]
            roles = [event for event in writes if event["objectRef"]["resource"] == "clusterroles"]
            return {each["metadata"]["name"] for each in namespaces}, len(roles)

    first_names, first_roles = written()
    second_names, second_roles = written()
    assert "kube-system" in first_names & second_names
    assert "own" not in second_names
    assert (first_roles > 50, second_roles) == (True, 0)
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
