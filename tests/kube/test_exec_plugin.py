"""What etpguard passes to a credential plugin, and how it uses the answer."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from etpguard.kube import exec_plugin
from etpguard.kube.errors import BadKubeconfig
from etpguard.kube.exec_plugin import Issued
from etpguard.kube.kubeconfig import Cluster, Exec, ExecVariable

CLUSTER = Cluster(server="https://192.0.2.1", certificate_authority_data="Y2E=", tls_server_name="api")


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBERC", "KUBECTL_KUBERC"):
        monkeypatch.delenv(name, raising=False)


def script(folder: Path, body: str) -> str:
    file = folder / "plugin.sh"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def says(**status: Any) -> str:
    return f"echo '{json.dumps({'kind': 'ExecCredential', 'status': status})}'"


@pytest.mark.parametrize(
    ("status", "issued"),
    [
        pytest.param({"token": "t"}, Issued(token="t"), id="a token"),
        pytest.param(
            {"clientCertificateData": "C", "clientKeyData": "K"},
            Issued(certificate=b"C", key=b"K"),
            id="a certificate, as text",
        ),
        pytest.param(
            {"token": "t", "expirationTimestamp": "2027-01-15T08:00:00Z"},
            Issued(token="t", expires=1_800_000_000.0),
            id="until a time",
        ),
        pytest.param({"token": "t", "expirationTimestamp": None}, Issued(token="t"), id="null for a time"),
    ],
)
def test_what_it_gives(tmp_path: Path, status: dict[str, Any], issued: Issued) -> None:
    assert exec_plugin.run(Exec(script(tmp_path, says(**status))), CLUSTER) == issued


@pytest.mark.parametrize(
    ("expires", "now", "expired"),
    [
        pytest.param(None, 10.0**12, False, id="without a time: never"),
        pytest.param(1000.0, 940.0, False, id="a minute before"),
        pytest.param(1000.0, 940.1, True, id="less than a minute before"),
        pytest.param(1000.0, 2000.0, True, id="afterwards"),
    ],
)
def test_when_it_is_asked_again(expires: float | None, now: float, expired: bool) -> None:
    assert Issued(token="t", expires=expires).expired(now) is expired


@pytest.mark.parametrize(
    ("provide", "spec"),
    [
        pytest.param(None, {"interactive": False}, id="unless it asks for it, nothing of the cluster"),
        pytest.param(
            True,
            {
                "interactive": False,
                "cluster": {
                    "server": "https://192.0.2.1",
                    "tls-server-name": "api",
                    "insecure-skip-tls-verify": False,
                    "certificate-authority-data": "Y2E=",
                },
            },
            id="the cluster, where it asks",
        ),
    ],
)
def test_it_gets_the_exec_info_and_its_environment(
    tmp_path: Path, provide: bool | None, spec: dict[str, Any]
) -> None:
    seen = tmp_path / "seen"
    plugin = Exec(
        script(tmp_path, f'echo "$1 $REGION $KUBERNETES_EXEC_INFO" > {seen}; {says(token="t")}'),
        args=["get"],
        env=[ExecVariable("REGION", "eu")],
        provide_cluster_info=provide,
    )
    exec_plugin.run(plugin, CLUSTER)
    argument, region, info = seen.read_text().split(" ", 2)
    assert (argument, region) == ("get", "eu")
    assert json.loads(info) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("exit 3", "exit code 3", id="it fails"),
        pytest.param("echo hello", "no ExecCredential", id="it prints something else"),
        pytest.param(says(token=7), "no ExecCredential", id="a token that is a number"),
        pytest.param(says(), "neither a token nor a certificate", id="it gives nothing"),
        pytest.param(
            says(clientCertificateData="C"),
            "neither a token nor a certificate",
            id="a certificate without its key",
        ),
    ],
)
def test_one_that_fails_is_named(tmp_path: Path, body: str, expected: str) -> None:
    command = script(tmp_path, body)
    with pytest.raises(BadKubeconfig) as raised:
        exec_plugin.run(Exec(command), CLUSTER)
    assert str(raised.value).startswith(f"credential plugin {command}: ")
    assert expected in str(raised.value)


def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_plugin, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(BadKubeconfig, match=r"no answer in 0\.2 s$"):
        exec_plugin.run(Exec(script(tmp_path, "exec sleep 60")), CLUSTER)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match=r"^credential plugin .*/none: No such file or directory$"):
        exec_plugin.run(Exec(str(tmp_path / "none")), CLUSTER)


BETA = "kubectl.config.k8s.io/v1beta1"


def kuberc(folder: Path, version: str = BETA, **fields: Any) -> Path:
    file = folder / ".kube" / "kuberc"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"apiVersion": version, "kind": "Preference", **fields}))
    return file


def runs(folder: Path, command: str) -> bool:
    (folder / "called").unlink(missing_ok=True)
    with contextlib.suppress(BadKubeconfig):
        assert exec_plugin.run(Exec(command), CLUSTER).token == "t"
    return (folder / "called").exists()


@pytest.mark.parametrize(
    ("policy", "names", "allowed"),
    [
        pytest.param(None, None, True, id="none"),
        pytest.param("", None, True, id="empty"),
        pytest.param("AllowAll", None, True, id="all"),
        pytest.param("DenyAll", None, False, id="no plugin"),
        pytest.param("Allowlist", [{"command": "plugin.sh"}], True, id="its name"),
        pytest.param("Allowlist", [{"name": "plugin.sh"}], True, id="its name in the former field"),
        pytest.param("Allowlist", [{"command": "FOLDER/plugin.sh"}], True, id="its path"),
        pytest.param("Allowlist", [{"command": "gone"}, {"command": "sh"}], False, id="others"),
        pytest.param("Allowlist", None, False, id="no list"),
        pytest.param("Allowlist", [], False, id="an empty list"),
        pytest.param("Allowlist", [{}], False, id="an empty entry"),
        pytest.param("AllowAll", [{"command": "plugin.sh"}], False, id="a list that does not fit"),
        pytest.param("denyall", None, False, id="an unknown policy"),
        pytest.param(["DenyAll"], None, False, id="another type"),
    ],
)
@pytest.mark.parametrize("named", ["name", "path"])
def test_the_policy_of_kubectl_counts(
    policy: Any, names: Any, allowed: bool, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script(tmp_path, f"touch {tmp_path}/called; {says(token='t')}")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    fields = {"credentialPluginPolicy": policy, "credentialPluginAllowlist": names}
    given = json.loads(
        json.dumps({k: v for k, v in fields.items() if v is not None}).replace("FOLDER", str(tmp_path))
    )
    kuberc(tmp_path, **given)
    assert runs(tmp_path, path if named == "path" else "plugin.sh") is allowed


def test_where_the_policy_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = script(tmp_path, f"touch {tmp_path}/called; {says(token='t')}")
    file = kuberc(tmp_path, credentialPluginPolicy="DenyAll")
    with pytest.raises(BadKubeconfig, match=r"plugin.sh: .*/.kube/kuberc has credentialPluginPolicy DenyAll"):
        exec_plugin.run(Exec(path), CLUSTER)
    for name, value in (("KUBERC", "off"), ("KUBECTL_KUBERC", "False")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert runs(tmp_path, path)
    moved = file.rename(tmp_path / "preferences")
    assert runs(tmp_path, path)
    monkeypatch.setenv("KUBERC", str(moved))
    assert not runs(tmp_path, path)
    monkeypatch.setenv("KUBERC", str(tmp_path / "gone"))
    assert not runs(tmp_path, path)


def test_a_user_without_a_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    path = script(tmp_path, f"touch {tmp_path}/called; {says(token='t')}")
    monkeypatch.setattr(Path, "expanduser", unknown)
    assert runs(tmp_path, path), "there is no policy"
    monkeypatch.setenv("KUBERC", "~nobody/preferences")
    assert not runs(tmp_path, path)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        pytest.param("", True, id="empty"),
        pytest.param("a: [", False, id="broken YAML"),
        pytest.param("kind: Preference\ncredentialPluginPolicy: DenyAll", True, id="of no API group"),
        pytest.param(
            f"kind: Other\n---\napiVersion: {BETA}\nkind: Preference\ncredentialPluginPolicy: DenyAll",
            False,
            id="the second document",
        ),
        pytest.param(
            "apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\ncredentialPluginPolicy: DenyAll",
            True,
            id="a version without a policy",
        ),
    ],
)
def test_what_a_kuberc_may_be(text: str, allowed: bool, tmp_path: Path) -> None:
    path = script(tmp_path, f"touch {tmp_path}/called; {says(token='t')}")
    kuberc(tmp_path).write_text(text)
    assert runs(tmp_path, path) is allowed


def test_a_path_for_the_plugin_finds_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", says(token="good"))
    script(tmp_path, says(token="evil"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    kuberc(tmp_path, credentialPluginPolicy="Allowlist", credentialPluginAllowlist=[{"command": "plugin.sh"}])
    spec = Exec("plugin.sh", env=[ExecVariable("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")])
    assert exec_plugin.run(spec, CLUSTER).token == "good"
