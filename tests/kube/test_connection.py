"""Where server, CA and credentials come from."""

from __future__ import annotations

import base64
import gc
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.errors import BadKubeconfig

Json = dict[str, Any]


def config(
    context: str = "c", server: str = "https://192.0.2.1", user: Json | None = None, **cluster: Any
) -> Json:
    return {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "clusters": [{"name": context, "cluster": {"server": server, **cluster}}],
        "users": [{"name": context, "user": user or {}}],
    }


def of(name: str, value: str) -> dict[str, Any]:
    return {name: value}


def write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_data_is_kept_where_nobody_else_can_read_it_and_goes_with_the_connection(tmp_path: Path) -> None:
    user = {"client-certificate-data": encoded("cert"), "client-key-data": encoded("key")}
    connection = Connection(
        write(tmp_path / "k", config(user=user, **{"certificate-authority-data": encoded("ca")}))
    )
    found = connection.credentials()
    key = Path(found.key_file)
    assert (Path(found.ca_file).read_text(), Path(found.certificate_file).read_text()) == ("ca", "cert")
    assert key.read_text() == "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert connection.credentials() == found
    del connection
    gc.collect()
    assert not key.parent.exists()


def test_paths_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("ca")
    file = write(tmp_path / "k", config(**of("certificate-authority", "ca.crt"), **of("tls-server-name", "api")))
    found = Connection(file).credentials()
    assert found == Credentials(
        server="https://192.0.2.1", ca_file=str(tmp_path / "ca.crt"), tls_server_name="api"
    )


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = config("a", "https://192.0.2.1")
    second = config("b", "https://192.0.2.2", user={"token": "b"})
    second["clusters"].append({"name": "a", "cluster": {"server": "https://192.0.2.3"}})
    paths = [write(tmp_path / "1", first), tmp_path / "absent", write(tmp_path / "2", second)]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
    assert Connection().server == "https://192.0.2.1"
    assert Connection(context="b").credentials().token == "b"


def test_the_home_directorys_kubeconfig_is_found(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube" / "config", config())
    assert Connection().server == "https://192.0.2.1"


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "account"
    folder.mkdir()
    for name, content in (("token", "one"), ("ca.crt", "ca"), ("namespace", "tools")):
        (folder / name).write_text(content)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    return folder


def test_in_a_pod_the_service_account_is_read_again_each_time(service_account: Path) -> None:
    connection = Connection(service_account=service_account)
    assert (connection.server, connection.namespace) == ("https://[2001:db8::1]:6443", "tools")
    assert connection.credentials().token == "one"
    (service_account / "token").write_text("two\n")
    assert connection.credentials().token == "two"
    assert connection.credentials().ca_file == str(service_account / "ca.crt")


def test_a_kubeconfig_goes_before_the_service_account(service_account: Path, tmp_path: Path) -> None:
    named = write(tmp_path / "k", config())
    assert Connection(named, service_account=service_account).server == "https://192.0.2.1"


def plugin(tmp_path: Path, body: str) -> Path:
    script = tmp_path / "plugin.sh"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin.sh"}
    return write(tmp_path / "k", config(user={"exec": run}))


def credential(**status: Any) -> str:
    return json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    )


def test_a_plugin_runs_once_until_its_credential_expires(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    file = plugin(
        tmp_path,
        f"echo x >> {calls}; echo '{credential(token='t', expirationTimestamp='2999-01-01T00:00:00Z')}'",
    )
    connection = Connection(file)
    assert [connection.credentials().token for _ in range(3)] == ["t"] * 3
    assert calls.read_text() == "x\n"
    connection.forget()
    connection.credentials()
    assert calls.read_text() == "x\nx\n"


def test_a_credential_is_renewed_a_minute_before_it_expires(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    output = credential(token="t", expirationTimestamp="2026-01-01T00:10:00Z")
    now = 1_767_225_600.0  # 2026-01-01T00:00:00Z
    connection = Connection(plugin(tmp_path, f"echo x >> {calls}; echo '{output}'"), wall=lambda: now)
    now += 539
    connection.credentials()
    assert calls.read_text() == "x\n"
    now += 2
    connection.credentials()
    assert calls.read_text() == "x\nx\n"


def test_an_expired_credential_is_renewed(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    issued = credential(token="t", expirationTimestamp="2001-01-01T00:00:00Z")
    connection = Connection(plugin(tmp_path, f"echo x >> {calls}; echo '{issued}'"))
    connection.credentials()
    assert calls.read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param("a: [", "not YAML", id="broken YAML"),
        pytest.param("[]", "not a mapping", id="a list"),
        pytest.param({"contexts": {}}, "no current context", id="no current context"),
        pytest.param({"contexts": "x"}, "contexts: not a list of mappings", id="contexts is a text"),
        pytest.param({**config(), "current-context": "d"}, "no context 'd'", id="a context that is not there"),
        pytest.param({**config(), "clusters": []}, "no cluster 'c'", id="a cluster that is not there"),
        pytest.param({**config(), "users": []}, "no user 'c'", id="a user that is not there"),
        pytest.param(config(server=""), "has no server", id="no server"),
        pytest.param(config(user={"as": "root"}), "impersonation", id="impersonation"),
        pytest.param(config(user={"token": 5}), "user 'c': Expected `str", id="a token that is a number"),
        pytest.param(config(user={"tokenFile": "gone"}), "tokenFile .*gone", id="no token file"),
        pytest.param(config(user={"exec": {"command": "./gone"}}), "No such file", id="no plugin"),
        pytest.param(config(**of("certificate-authority", "gone")), "no file .*gone", id="no CA file"),
        pytest.param(config(**of("certificate-authority-data", "%")), "not base64", id="CA data in another form"),
    ],
)
def test_kubeconfigs_that_cannot_be_used(tmp_path: Path, document: Any, expected: str) -> None:
    with pytest.raises(BadKubeconfig, match=expected) as raised:
        Connection(write(tmp_path / "k", document))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "user",
    [
        pytest.param({"token": "s3cret\n"}, id="a token"),
        pytest.param({"token": "s3cret\n folded"}, id="a token that would be a folded header"),
        pytest.param({"tokenFile": "token"}, id="a token file"),
        pytest.param({"exec": {"command": "./plugin.sh"}}, id="a plugin"),
        pytest.param({"auth-provider": {"config": {"id-token": "s3cret\r"}}}, id="an auth-provider"),
    ],
)
def test_a_token_that_no_header_can_hold_is_not_named(tmp_path: Path, user: Json) -> None:
    (tmp_path / "token").write_text("s3cret\x00more\n")
    plugin(tmp_path, f"cat <<'EOF'\n{credential(token='s3cret' + chr(10))}\nEOF")
    with pytest.raises(BadKubeconfig, match="'c': the token contains a line feed or another control") as raised:
        Connection(write(tmp_path / "k", config(user=user)))
    assert "s3cret" not in str(raised.value)


def test_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match="no such file"):
        Connection(tmp_path / "k")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"HTTPS_PROXY": "http://192.0.2.9:3128"}, "http://192.0.2.9:3128", id="of the environment"),
        pytest.param({"HTTPS_PROXY": "http://192.0.2.9:3128", "NO_PROXY": "192.0.2.0/24"}, "", id="not for these"),
    ],
)
def test_proxies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Connection(write(tmp_path / "k", config())).credentials().proxy == expected


def test_the_clusters_own_proxy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.9:3128")
    file = write(tmp_path / "k", config(**of("proxy-url", "socks5://192.0.2.8:1080")))
    assert Connection(file).credentials().proxy == "socks5://192.0.2.8:1080"
