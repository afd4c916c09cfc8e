"""The client that is made at its first request, while a credential plugin takes its time or fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import BadKubeconfig

EXPIRED = {"token": "t", "expirationTimestamp": "2001-01-01T00:00:00Z"}
"""A plugin that gives this is run for each request."""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Answers at once; to be written over."""
    made = tmp_path / "plugin"
    write(made, "")
    return made


@pytest.fixture
def connection(plugin: Path, tmp_path: Path) -> Connection:
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    kubeconfig = tmp_path / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://192.0.2.1"}}],
        "users": [{"name": "c", "user": {"exec": run}}],
    }
    kubeconfig.write_text(yaml.safe_dump(document))
    return Connection(kubeconfig)


def write(plugin: Path, first: str, **status: str) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": EXPIRED | status,
    }
    plugin.write_text(f"#!/bin/sh\n{first}\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)


async def ask(client: LazyClient) -> str:
    """The credentials that a request would be sent with."""
    parts: dict[str, Any] = {"query_params": [], "header_params": {}, "auth_settings": ["BearerToken"]}
    _, _, headers, *_ = await client.param_serialize("GET", "/version", **parts)
    return str(headers["authorization"])


def play(connection: Connection, scene: Callable[[LazyClient], Awaitable[None]]) -> None:
    async def run() -> None:
        client = LazyClient(connection)
        try:
            await scene(client)
        finally:
            await client.close()

    asyncio.run(run())


def test_the_loop_goes_on_while_a_plugin_runs(connection: Connection, plugin: Path) -> None:
    async def scene(client: LazyClient) -> None:
        await ask(client)  # which loads what it needs
        write(plugin, "sleep 1", token="slow")
        turns = 0
        asking = asyncio.create_task(ask(client))
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert await asking == "Bearer slow"
        assert turns > 10

    play(connection, scene)


def test_a_plugin_that_failed_at_the_first_request_is_run_again(connection: Connection, plugin: Path) -> None:
    async def scene(client: LazyClient) -> None:
        write(plugin, "exit 1")
        for _ in range(2):
            with pytest.raises(BadKubeconfig, match="exit code 1"):
                await ask(client)
        write(plugin, "", token="at last")
        assert await ask(client) == "Bearer at last"

    play(connection, scene)


def test_to_close_one_that_was_never_made_is_nothing(connection: Connection, plugin: Path) -> None:
    async def scene(client: LazyClient) -> None:
        write(plugin, "exit 1")
        with pytest.raises(BadKubeconfig):
            await ask(client)

    play(connection, scene)
