"""An HTTP proxy in front of the API server that answers, delays, cuts, silences and records by rule.

It ends TLS with a certificate of the cluster's CA and passes the ``Authorization`` header on, so that a client
with a bearer token is served as if it had asked the API server itself::

    with HttpProxy(cluster) as proxy:
        kubeconfig = cluster.kubeconfig_for(namespace="x", service_account="y", server=proxy.server)
        proxy.on(Answer(429, headers={"Retry-After": "1"}), method="PATCH", times=1)
        proxy.on(WatchError(410), watch=True, path="/api/v1/services", times=1)
        [stream] = proxy.streams(path=".*/endpointslices")
        stream.silence()

Methods may be called from any thread, and have taken effect when they return. No WebSockets (exec, port-forward).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import weakref
from collections.abc import Callable, Mapping

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from devcluster import ports
from devcluster.cluster import Cluster
from devcluster.http_rules import Action, Answer, Cut, Delay, Match, Request, Rule, Silence, WatchError
from devcluster.http_stream import WatchStream
from devcluster.listener import Listener
from devcluster.loop_thread import LoopServer

_HOST = "127.0.0.1"
# Of one hop only (RFC 9110, 7.6.1), or set by the HTTP library.
_NOT_FORWARDED = frozenset(
    (
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp would, where a client has none


class HttpProxy(LoopServer):
    """See the module.

    Two hooks, called in the proxy's thread; nothing else passes while they run:

    before_forward(request): right before a request is sent on. False drops it and cuts the connection. The
        client's process may be killed here, at every request in turn.
    after_response(request): when the API server has answered (``request.status`` and ``.response`` are set),
        before the client gets the answer: the write is done, and its writer does not know.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        before_forward: Callable[[Request], bool | None] | None = None,
        after_response: Callable[[Request], None] | None = None,
    ) -> None:
        self.before_forward = before_forward
        self.after_response = after_response
        self._upstream = cluster.server
        self._upstream_tls = ssl.create_default_context(cafile=str(cluster.ca))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*cluster.certificate("http-proxy", ["localhost", _HOST]))
        self._port = ports.free(_HOST)
        self.server = f"https://{_HOST}:{self._port}"
        """The proxy's own URL."""
        self._numbers = itertools.count(1)
        self._rules: list[Rule] = []
        self._requests: list[Request] = []
        self._streams: list[WatchStream] = []
        self._upstreams: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._peers: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        super().__init__("http-proxy")

    def on(
        self,
        action: Action,
        *,
        method: str | None = None,
        path: str | None = None,
        watch: bool | None = None,
        query: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Rule:
        """Adds a rule: of those that match a request (see ``Match``), the one added first is carried out."""
        rule = Rule(Match(method, path, watch, query or {}), action, times)
        self._loop.call(lambda: self._rules.append(rule))
        return rule

    def remove(self, rule: Rule) -> None:
        self._loop.call(lambda: self._rules.remove(rule))

    def restore(self) -> None:
        """Removes all rules, and lets silent watches go on with what was held back."""

        def step() -> None:
            self._rules.clear()
            for stream in self._streams:
                stream.set_silent(False)

        self._loop.call(step)

    def requests(self, match: Match | None = None) -> list[Request]:
        """All requests so far in the order of arrival, or those that match."""
        return self._loop.call(lambda: [r for r in self._requests if match is None or match(r)])

    def streams(self, *, path: str | None = None) -> list[WatchStream]:
        """The open watches, oldest first; ``path`` as in ``Match``."""
        match = Match(path=path)
        return self._loop.call(lambda: [stream for stream in self._streams if match(stream.request)])

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0, ssl=self._upstream_tls),
            skip_auto_headers=_NOT_ADDED,
            timeout=aiohttp.ClientTimeout(),
        )
        # With cancellation, so that a watch ends at the API server when its client is gone.
        self._server = web.Server(self._serve, handler_cancellation=True)
        self._listener = Listener(_HOST, self._port, self._accept)

    async def _stop(self) -> None:
        for stream in list(self._streams):
            stream.set_silent(False)
            stream.abort()
        self._listener.close()
        await self._listener.cut()
        self._server.pre_shutdown()
        await self._server.shutdown(0.1)
        await self._session.close()
        # Closed connections wait for the other side's farewell of TLS, longer than the loop lives. A transport
        # that was closed twice, as aiohttp's server does, no longer aborts.
        for transport in self._upstreams:
            transport.abort()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        await asyncio.sleep(0.01)
        # The shutdown ends them in one of the next turns of the loop. A socket that is closed sets no event.
        while any(peer.fileno() >= 0 for peer in self._peers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _accept(self, peer: socket.socket) -> None:
        self._peers.add(peer)
        with contextlib.suppress(OSError):  # the client speaks no TLS, does not trust the certificate, or has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._server, peer, ssl=self._tls)

    async def _serve(self, incoming: web.BaseRequest) -> web.StreamResponse:
        request = Request(
            number=next(self._numbers),
            method=incoming.method,
            path=incoming.path,
            query=dict(incoming.query),
            headers={name.lower(): value for name, value in incoming.headers.items()},
            body=await incoming.content.read(),
        )
        self._requests.append(request)
        action = next((rule.action for rule in self._rules if rule.takes(request)), None)
        match action:
            case Answer():
                return self._answer(request, action.status, action.encoded(), action.headers)
            case WatchError():
                return self._answer(request, 200, action.encoded(), {})
            case Cut():
                return _cut(incoming)
            case Silence() if not request.watch:
                await asyncio.Event().wait()
            case Delay():
                await asyncio.sleep(action.seconds)
        if self.before_forward is not None and self.before_forward(request) is False:
            return _cut(incoming)
        request.forwarded = True
        try:
            if request.watch:
                return await self._watch(incoming, request, silent=isinstance(action, Silence))
            # Shielded: what has been sent on is not taken back when the client goes away.
            return await asyncio.shield(asyncio.ensure_future(self._exchange(incoming, request)))
        except (aiohttp.ClientError, ConnectionError):
            return _cut(incoming)  # as the client would have seen it from the API server

    def _answer(self, request: Request, status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
        request.status, request.response = status, body
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **headers})

    async def _exchange(self, incoming: web.BaseRequest, request: Request) -> web.Response:
        async with self._forward(incoming, request) as answer:
            request.response = await answer.read()
            request.status = answer.status
        if self.after_response is not None:
            self.after_response(request)
        return web.Response(status=answer.status, body=request.response, headers=_passed_on(answer.headers))

    async def _watch(self, incoming: web.BaseRequest, request: Request, silent: bool) -> web.StreamResponse:
        async with self._forward(incoming, request) as answer:
            request.status = answer.status
            if answer.connection is not None and answer.connection.transport is not None:
                self._upstreams.add(answer.connection.transport)
            if self.after_response is not None:
                self.after_response(request)
            response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
            await response.prepare(incoming)
            stream = WatchStream(request, self._loop, response, incoming)
            stream.set_silent(silent)
            self._streams.append(stream)
            try:
                await stream.run(answer)
            finally:
                self._streams.remove(stream)
        return response

    def _forward(self, incoming: web.BaseRequest, request: Request) -> aiohttp.client._RequestContextManager:
        return self._session.request(
            request.method,
            yarl.URL(f"{self._upstream}{incoming.raw_path}", encoded=True),
            data=request.body or None,
            headers=_passed_on(incoming.headers),
            allow_redirects=False,
        )


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _NOT_FORWARDED)


def _cut(incoming: web.BaseRequest) -> web.Response:
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response()  # goes nowhere
