"""A recorded API server: lists and one watch stream, as a real one sent them, over TLS by a separate process.

    python -m bench.playback FOLDER PORT CERT KEY RATE

FOLDER holds the answer for each path that was read (`recorded_name`), discovery included, and the lines of the
EndpointSlices' watch. Lists are served by pages as they are asked for. What was not recorded is not served. The
first watch of EndpointSlices plays all lines, RATE a second (0: as fast as they are taken), and then stays silent,
as every other watch is from the start. FOLDER/began appears when it begins, FOLDER/played.json tells afterwards
when that was and when it ended.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

import msgspec
from aiohttp import web

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
LINES = "watch.jsonl"
BEGAN = "began"
PLAYED = "played.json"
WAIT = 30.0
"""Seconds before the lines are played, for the operator to be through its first pass."""


def recorded_name(path: str) -> str:
    return path.strip("/").replace("/", "_") + ".json"


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str
    continue_token: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str
    metadata: _Meta
    items: list[msgspec.Raw]


class Recording:
    def __init__(self, folder: Path, rate: float) -> None:
        self._folder = folder
        self._rate = rate
        self._played = False
        self._lists: dict[Path, _List] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = self._folder / recorded_name(request.path)
        if not body.is_file():
            return web.json_response({"kind": "Status", "status": "Failure", "code": 404}, status=404)
        if "watch" not in request.query:
            page = self._page(body, request) if "limit" in request.query else body.read_bytes()
            return web.Response(body=page, content_type="application/json")
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        if request.path == SLICES and not self._played:
            self._played = True
            await self._play(response)
        await asyncio.sleep(3600)
        return response

    def _page(self, body: Path, request: web.Request) -> bytes:
        if body not in self._lists:
            self._lists[body] = msgspec.json.decode(body.read_bytes(), type=_List)
        whole = self._lists[body]
        start = int(request.query.get("continue", "0"))
        end = start + int(request.query["limit"])
        meta = _Meta(whole.metadata.resource_version, str(end) if end < len(whole.items) else "")
        return msgspec.json.encode(_List(whole.kind, whole.api_version, meta, whole.items[start:end]))

    async def _play(self, response: web.StreamResponse) -> None:
        lines = (self._folder / LINES).read_bytes().splitlines(keepends=True)
        await asyncio.sleep(WAIT)
        (self._folder / BEGAN).touch()
        began, due = time.time(), time.monotonic()
        step = max(1, int(self._rate / 100)) if self._rate else 100
        for start in range(0, len(lines), step):
            await response.write(b"".join(lines[start : start + step]))
            if self._rate:
                due += step / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        played = {"began": began, "ended": time.time(), "lines": len(lines)}
        (self._folder / PLAYED).write_text(json.dumps(played))


def main() -> None:
    folder, port, certificate, key, rate = sys.argv[1:]
    app = web.Application()
    app.router.add_get("/{path:.*}", Recording(Path(folder), float(rate)).answer)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    web.run_app(app, host="127.0.0.1", port=int(port), ssl_context=tls, print=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main()
