"""How the credentials reach pykube's client, and what of the environment does not."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from etpguard.kube.connection import Connection
from etpguard.kube.pykube_client import new_client


def connection(
    folder: Path, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None
) -> Connection:
    file = folder / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1", **(cluster or {})}}],
        "users": [{"name": "c", "user": user or {}}],
    }
    file.write_text(yaml.safe_dump(document))
    return Connection(file)


def tls_of(client: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = client.session.get_adapter("https://").poolmanager.connection_pool_kw["ssl_context"]
    return context


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        pytest.param({"token": "t"}, {"token": "t"}, id="a token"),
        pytest.param(
            {"username": "u", "password": "p"}, {"username": "u", "password": "p"}, id="a name and a password"
        ),
        pytest.param(
            {"token": "t", "username": "u", "password": "p"}, {"token": "t"}, id="a token goes before a name"
        ),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_the_user(tmp_path: Path, user: dict[str, Any], sent: dict[str, Any]) -> None:
    client = new_client(connection(tmp_path, user))
    assert client.config.user == sent
    client.session.close()


def test_a_token_is_that_of_now(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    made = connection(tmp_path, {"tokenFile": str(token)})
    token.write_text("two")
    assert new_client(made).config.user == {"token": "two"}


@pytest.mark.parametrize(
    ("settings", "verified"),
    [
        pytest.param({}, True, id="by the system's trust"),
        pytest.param({"insecure-skip-tls-verify": True}, False, id="verification is off"),
    ],
)
def test_tls_is_verified_as_go_does(tmp_path: Path, settings: dict[str, Any], verified: bool) -> None:
    client = new_client(connection(tmp_path, cluster=settings))
    assert client.session.verify is not False if verified else client.session.verify is False
    context = tls_of(client)
    assert context.check_hostname is verified
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    client.session.close()


def test_a_server_name_is_asked_for_by_itself(tmp_path: Path) -> None:
    client = new_client(connection(tmp_path, cluster={"tls-server-name": "kubernetes.default"}))
    assert client.config.cluster["tls-server-name"] == "kubernetes.default"
    client.session.close()


def test_the_environment_has_no_say_beside_the_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 192.0.2.1 login other password other")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))
    client = new_client(connection(tmp_path, cluster={"proxy-url": "http://192.0.2.9:3128"}))
    settings = client.session.merge_environment_settings("https://192.0.2.1", {}, None, True, None)
    assert dict(settings["proxies"]) == {"http": "http://192.0.2.9:3128", "https": "http://192.0.2.9:3128"}
    assert settings["verify"] is True
    assert not client.session.trust_env
    client.session.close()


def test_an_auth_provider_is_left_to_pykube(tmp_path: Path) -> None:
    provider = {"name": "oidc", "config": {"id-token": "t", "idp-issuer-url": "https://192.0.2.7"}}
    client = new_client(connection(tmp_path, {"auth-provider": provider}))
    assert client.config.user == {"auth-provider": provider}
    assert client.config.filepath == tmp_path / "kubeconfig", "where a refreshed token is written back"
    client.session.close()
