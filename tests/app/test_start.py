"""The start, as far as it goes with an API server that does not answer, or answers with something else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, ports
from devcluster.listener import Listener
from devcluster.objects import wait_for
from etpguard.app import operator as operator_module
from etpguard.app import process
from etpguard.app.timing import OperatorTiming
from etpguard.assess.consumers.registry import ConsumerOptions
from etpguard.intake.controller_options import consumer_options, follow
from etpguard.kube.backoff import Backoff
from etpguard.kube.connection import Connection
from etpguard.settings import Address, Settings
from tests.app.harness import Running

WEB_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


@contextlib.asynccontextmanager
async def api_server(answer: bytes, folder: Path) -> AsyncIterator[Path]:
    """A kubeconfig for a server that gives this answer to every request; none at all if it is empty."""

    async def serve(peer: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=peer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the client has gone
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(answer)
        finally:
            writer.close()

    port = ports.free("127.0.0.1")
    listener = Listener("127.0.0.1", port, serve)
    url = f"http://127.0.0.1:{port}"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "c", "user": {}}],
    }
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    try:
        yield kubeconfig
    finally:
        listener.close()
        await listener.cut()


STAY = "its last known arguments stay in force"


def settings(kubeconfig: Path, resync_interval: float = 600.0) -> Settings:
    return Settings(
        kubeconfig=str(kubeconfig),
        listen=Address("127.0.0.1", 0),
        aws_lbc_deployment="kube-system/aws-lbc",
        resync_interval=resync_interval,
    )


def test_a_signal_ends_it_while_the_first_request_is_not_answered(tmp_path: Path) -> None:
    async def scene() -> tuple[int, float]:
        async with api_server(b"", tmp_path) as kubeconfig:
            ended = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
            ended.start()
            began = time.monotonic()
            return await process.operate(settings(kubeconfig), Connection(kubeconfig)), time.monotonic() - began

    code, took = asyncio.run(scene())
    assert code == 0
    assert took < 9  # a request waits for 10 s


def test_an_answer_that_is_no_deployment_is_said_and_outlived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with api_server(WEB_PAGE, tmp_path) as kubeconfig:
            connection = Connection(kubeconfig)
            options = await consumer_options(settings(kubeconfig), connection)
            assert options == ConsumerOptions()
            following = asyncio.create_task(follow(settings(kubeconfig, 0.1), connection, options, never))
            for _ in range(300):
                if STAY in caplog.text:
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5)  # several more answers of the same kind
            assert not following.done()
            following.cancel()

    def never(options: ConsumerOptions) -> None:
        raise AssertionError(options)

    asyncio.run(scene())
    assert "cannot read Deployment kube-system/aws-lbc: the server answered 200 with something else" in caplog.text
    assert caplog.text.count(STAY) == 1


@pytest.mark.controlplane
def test_a_failure_to_follow_the_options_is_logged_counted_and_tried_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that nobody foresaw. All else goes on."""
    tries: list[object] = []

    async def fail(*given: object) -> None:
        tries.append(given)
        raise ZeroDivisionError

    monkeypatch.setattr(operator_module, "follow", fail)
    timing = OperatorTiming(rerun=Backoff(0.2, 0.2))
    with Running(cluster.kubeconfig, timing, aws_lbc_deployment="kube-system/aws-lbc") as running:
        wait_for(lambda: len(tries) > 2, 60, "another try")
        assert running.ready()
        assert (running.metric("etpguard_internal_errors_total", part="options") or 0.0) > 1
    assert running.exit_code == 0
    assert caplog.text.count("options of the operator failed: ZeroDivisionError") == 1
