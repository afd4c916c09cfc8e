"""The faults of the TCP proxy, seen by a client that speaks TLS with the real API server through it."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devcluster import Cluster
from devcluster.client import Client
from devcluster.objects import wait_for
from devcluster.tcp_proxy import TcpProxy

pytestmark = pytest.mark.controlplane

_VERSION = "/version"
_RESET = (ConnectionError, ssl.SSLEOFError)  # which of them depends on where OpenSSL meets it


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[TcpProxy]:
    with TcpProxy(cluster.server) as proxy:
        yield proxy


@pytest.fixture
def client(cluster: Cluster, proxy: TcpProxy) -> Iterator[Client]:
    client = _client(cluster, proxy)
    yield client
    client.close_idle()


def _client(cluster: Cluster, proxy: TcpProxy) -> Client:
    return Client(proxy.server, ssl.create_default_context(cafile=str(cluster.ca)))


def test_it_passes_everything_on(cluster: Cluster, proxy: TcpProxy) -> None:
    kubeconfig = cluster.kubeconfig_for(server=proxy.server)
    direct = json.loads(cluster.kubectl("get", "--raw", "/openapi/v2"))
    through = json.loads(cluster.kubectl("--kubeconfig", str(kubeconfig), "get", "--raw", "/openapi/v2"))
    assert through == direct  # some megabytes
    wait_for(lambda: not proxy.connections, what="the connection's end")


def test_reset_breaks_connections_and_serves_new_ones(proxy: TcpProxy, client: Client) -> None:
    assert client.request("GET", _VERSION).ok
    (before,) = proxy.connections
    assert before.bytes_to_server > 0
    assert before.bytes_to_client > before.bytes_to_server
    proxy.reset()
    assert proxy.connections == []
    # Not on the kept connection, which is broken.
    assert client.request("GET", _VERSION).ok
    (after,) = proxy.connections
    assert after.number == 2


def test_cut_refuses_until_restored(proxy: TcpProxy, client: Client) -> None:
    assert client.request("GET", _VERSION).ok
    proxy.cut()
    with pytest.raises(_RESET):
        client.request("POST", _VERSION, {})
    with pytest.raises(ConnectionRefusedError):
        client.request("GET", _VERSION)
    proxy.restore()
    assert client.request("GET", _VERSION).ok


@pytest.mark.parametrize("direction", ["both", "to_client", "to_server"])
def test_silence_keeps_connections_open_and_restore_delivers(
    proxy: TcpProxy, client: Client, direction: str
) -> None:
    assert client.request("GET", _VERSION).ok
    (connection,) = proxy.connections
    before = connection.bytes_to_server, connection.bytes_to_client
    match direction:
        case "both":
            proxy.silence()
        case "to_client":
            proxy.silence("to_client")
        case "to_server":
            proxy.silence("to_server")
    with pytest.raises(TimeoutError):
        client.request("GET", _VERSION, timeout=0.5)
    assert (connection.bytes_to_server > before[0]) == (direction == "to_client")
    assert connection.bytes_to_client == before[1]
    with pytest.raises(TimeoutError):
        client.request("GET", _VERSION, timeout=0.5)  # a new connection is taken, and as silent
    proxy.restore()
    assert client.request("GET", _VERSION).ok


def test_silence_of_one_connection_leaves_the_others(cluster: Cluster, proxy: TcpProxy, client: Client) -> None:
    assert client.request("GET", _VERSION).ok
    other = _client(cluster, proxy)
    assert other.request("GET", _VERSION).ok
    first, second = proxy.connections
    proxy.silence(connections=[first])
    assert other.request("GET", _VERSION).ok
    with pytest.raises(TimeoutError):
        client.request("GET", _VERSION, timeout=0.5)
    second.silence("to_client")
    with pytest.raises(TimeoutError):
        other.request("POST", _VERSION, timeout=0.5)
    assert other.request("GET", _VERSION).ok  # a connection opened later is not silent
    other.close_idle()


def test_delay_holds_both_directions_back(proxy: TcpProxy, client: Client) -> None:
    assert client.request("GET", _VERSION).ok
    proxy.delay(0.3)
    started = time.monotonic()
    assert client.request("GET", _VERSION).ok
    assert time.monotonic() - started >= 0.6
    proxy.restore()
    took = []
    for _ in range(5):  # a busy machine may delay one
        started = time.monotonic()
        assert client.request("GET", _VERSION).ok
        took.append(time.monotonic() - started)
    assert min(took) < 0.6


# Lib/ssl.py of Python 3.11.2 (SSLSocket._create) does not close a socket that is reset before its handshake.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_an_unreachable_server_ends_the_clients_connection(cluster: Cluster) -> None:
    with TcpProxy("https://127.0.0.1:1") as proxy, pytest.raises(OSError):
        _client(cluster, proxy).request("GET", _VERSION)


def test_a_slow_network_is_shared_by_all_connections(cluster: Cluster, proxy: TcpProxy, client: Client) -> None:
    """Two connections that read the same take twice as long as their bytes at the bandwidth."""
    size = len(client.request("GET", "/openapi/v2", timeout=30).body)
    client.close_idle()
    proxy.wire(bits_per_second=8 * 2 * size, round_trip=0.1)
    clients = [client, _client(cluster, proxy)]
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        bodies = list(pool.map(lambda each: each.request("GET", "/openapi/v2", timeout=30).body, clients))
    took = time.monotonic() - began
    assert [len(body) for body in bodies] == [size, size]
    assert took > 1.0 + 3 * 0.1  # the handshakes of TCP and TLS 1.3, and the request
    for each in clients:
        each.close_idle()


def test_a_slow_network_stays_slow_when_faults_end(proxy: TcpProxy, client: Client) -> None:
    proxy.wire(bits_per_second=50e6, round_trip=0.2)
    proxy.restore()
    assert client.request("GET", _VERSION).ok
    began = time.monotonic()
    assert client.request("GET", _VERSION).ok
    assert time.monotonic() - began > 0.2
