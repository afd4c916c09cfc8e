"""The session of Kopf while the CA and the server's certificate are replaced; the server is a real one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web

from devcluster import ports
from devcluster.certificates import Authority
from etpguard.intake.kopf_session import KopfSession
from etpguard.intake.kopf_wire import ParkedRecords
from etpguard.kube.connection import Connection


@asynccontextmanager
async def api_server(port: int, certificate: tuple[Path, Path]) -> AsyncIterator[None]:
    async def version(request: web.Request) -> web.Response:
        return web.json_response({"major": "1"})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    app = web.Application()
    app.add_routes([web.get("/version", version)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


def test_a_replaced_ca_makes_the_session_outdated_and_the_next_one_trusts_it(tmp_path: Path) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for folder in folders:
        folder.mkdir()
    before, after = map(Authority, folders)
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(before.certificate.read_bytes())
    port = ports.free("127.0.0.1")
    url = f"https://127.0.0.1:{port}"
    kubeconfig = tmp_path / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(bundle)}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(document))
    connection = Connection(kubeconfig)
    outdated: list[str] = []

    def session(name: str) -> KopfSession:
        return KopfSession(
            {},
            connection,
            lambda message: None,
            ParkedRecords(),
            70.0,
            lambda verb, resource, status: None,
            lambda: outdated.append(name),
        )

    async def ask(logged_in: aiohttp.ClientSession) -> int:
        async with logged_in.get(f"{url}/version") as answer:
            return answer.status

    async def scene() -> None:
        first = session("first")
        old = (await first.login()).aiohttp_session
        async with api_server(port, before.issue("server", ["127.0.0.1"])):
            assert await ask(old) == 200
            assert outdated == []
            bundle.write_bytes(before.certificate.read_bytes() + after.certificate.read_bytes())
            assert await ask(old) == 200, "both certificates are in the bundle, which comes first in a rotation"
        assert outdated == ["first"]
        second = session("second")
        new = (await second.login()).aiohttp_session
        async with api_server(port, after.issue("server", ["127.0.0.1"])):
            assert await ask(new) == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await ask(old)
        assert "second" not in outdated
        await first.close()
        await second.close()

    asyncio.run(scene())
