"""The client for writes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from etpguard.kube.connection import Connection, Credentials
from etpguard.kube.errors import KubeError
from etpguard.kube.threads import in_thread


class LaterClient:
    """The client of the `kubernetes` package, loaded and made at the first request: no start waits for it. Nor
    does the loop ever wait for credentials, which a plugin may take a minute to give: it has a Lease to renew."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._credentials: Credentials | None = None
        self._making: asyncio.Task[Any] | None = None

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any:
        client = await self._made()
        await self._look_up()
        return await client.param_serialize(method, resource_path, **parts)

    async def call_api(self, *parts: Any, **options: Any) -> Any:
        client = await self._made()
        return await client.call_api(*parts, **options)

    async def close(self) -> None:
        if self._making is not None:
            with contextlib.suppress(KubeError):
                await (await self._making).close()

    async def _made(self) -> Any:
        if self._making is None:
            self._making = asyncio.create_task(self._make())
        # Whoever gives up waiting, at its time-out, leaves it to the others.
        return await asyncio.shield(self._making)

    async def _make(self) -> Any:
        try:
            await self._look_up()
            return await in_thread(lambda: self._connection.aio(self._known), "client of the API server")
        except BaseException:
            self._making = None  # the next request tries again
            raise

    async def _look_up(self) -> None:
        self._credentials = await in_thread(self._connection.credentials, "credentials")

    def _known(self) -> Credentials:
        assert self._credentials is not None
        return self._credentials
