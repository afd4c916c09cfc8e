"""kubeconfig files, merged as kubectl does (k8s.io/client-go v0.37.2 tools/clientcmd/loader.go)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from etpguard.kube.errors import BadKubeconfig

_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class Cluster(msgspec.Struct, rename="kebab", frozen=True):
    server: str = ""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None


class ExecVariable(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class Exec(msgspec.Struct, rename="camel", frozen=True):
    """A credential plugin. A `command` with a path separator is relative to the folder of the kubeconfig."""

    command: str
    args: list[str] | None = None
    env: list[ExecVariable] | None = None
    api_version: str = "client.authentication.k8s.io/v1"
    interactive_mode: str | None = None
    provide_cluster_info: bool | None = None


class User(msgspec.Struct, rename="kebab", frozen=True):
    token: str | None = None
    token_file: str | None = msgspec.field(name="tokenFile", default=None)
    username: str | None = None
    password: str | None = None
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    exec: Exec | None = None
    auth_provider: dict[str, Any] | None = None
    impersonate: str | None = msgspec.field(name="as", default=None)


class Context(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str | None = None


class Chosen(msgspec.Struct, frozen=True):
    """One context, resolved. `document` is the merged kubeconfig, `files` are its sources."""

    name: str
    namespace: str
    cluster: Cluster
    user: User
    document: dict[str, Any]
    files: tuple[Path, ...]


def paths(explicit: str | Path | None) -> tuple[Path, ...]:
    """The files to read: the one given, those of `$KUBECONFIG`, or `~/.kube/config`."""
    if explicit:
        return (Path(explicit).expanduser(),)
    named = [Path(p).expanduser() for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    return tuple(named) or (Path("~/.kube/config").expanduser(),)


def load(files: Sequence[Path], context: str | None, *, missing_is_error: bool) -> Chosen | None:
    """Read and merge `files` and pick `context`, or the current one.

    None if none of the files exists, unless that is an error. Raises BadKubeconfig.
    """
    found = _existing(files)
    if not found:
        if missing_is_error:
            raise _none_of(files)
        return None
    where = os.pathsep.join(str(path) for path, _ in found)
    merged = _merge([document for _, document in found])
    name = context or merged["current-context"]
    if not name:
        raise BadKubeconfig(f"kubeconfig {where}: no current context is set; name one with --context")
    chosen = _pick(merged, "contexts", "context", name, Context, where)
    if not chosen.cluster:
        raise BadKubeconfig(f"kubeconfig {where}: context {name!r} names no cluster")
    cluster = _pick(merged, "clusters", "cluster", chosen.cluster, Cluster, where)
    if not cluster.server:
        raise BadKubeconfig(f"kubeconfig {where}: cluster {chosen.cluster!r} has no server")
    user = _pick(merged, "users", "user", chosen.user, User, where) if chosen.user else User()
    if user.impersonate:
        raise BadKubeconfig(f"kubeconfig {where}: user {chosen.user!r}: impersonation (as) is not supported")
    merged["current-context"] = name
    return Chosen(name, chosen.namespace or "default", cluster, user, merged, tuple(path for path, _ in found))


def context_names(files: Sequence[Path]) -> tuple[str, ...]:
    """The names of all contexts in `files`, sorted. Raises BadKubeconfig if there are none."""
    found = _existing(files)
    if not found:
        raise _none_of(files)
    merged = _merge([document for _, document in found])
    names = sorted({name for entry in merged["contexts"] if (name := entry.get("name")) and isinstance(name, str)})
    if not names:
        raise BadKubeconfig(f"kubeconfig {os.pathsep.join(str(path) for path, _ in found)}: no contexts")
    return tuple(names)


def _existing(files: Sequence[Path]) -> list[tuple[Path, dict[str, Any]]]:
    return [(path, document) for path in files if (document := _read(path)) is not None]


def _none_of(files: Sequence[Path]) -> BadKubeconfig:
    return BadKubeconfig(f"kubeconfig {os.pathsep.join(map(str, files))}: no such file")


T = TypeVar("T")


def _pick(merged: dict[str, Any], section: str, field: str, name: str, shape: type[T], where: str) -> T:
    for entry in merged[section]:
        if entry.get("name") == name:
            try:
                return msgspec.convert(entry.get(field) or {}, shape)
            except msgspec.ValidationError as error:
                raise BadKubeconfig(f"kubeconfig {where}: {field} {name!r}: {error}") from None
    raise BadKubeconfig(f"kubeconfig {where}: no {field} {name!r}")


def _read(path: Path) -> dict[str, Any] | None:
    import yaml

    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadKubeconfig(f"kubeconfig {path}: {error.strerror}") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(text, Loader=loader)  # noqa: S506  a safe loader, in C where there is one
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise BadKubeconfig(f"kubeconfig {path}: not YAML: {line}") from None
    if not isinstance(document, dict):
        raise BadKubeconfig(f"kubeconfig {path}: not a mapping")
    _anchor(document, path.absolute().parent, path)
    return document


def _anchor(document: dict[str, Any], folder: Path, path: Path) -> None:
    """Make paths absolute: in a kubeconfig they are relative to its folder."""
    for section, field in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        entries = document.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise BadKubeconfig(f"kubeconfig {path}: {section}: not a list of mappings")
        document[section] = entries
        for entry in entries:
            body = entry.get(field)
            if not isinstance(body, dict):
                continue
            for key in _PATHS:
                if isinstance(body.get(key), str) and body[key]:
                    body[key] = str(folder / body[key])
            plugin = body.get("exec")
            if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
                plugin["command"] = str(folder / str(plugin["command"]))


def _merge(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """If several files have an entry of the same name, or a current context, the first file counts."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": ""}
    for section in ("clusters", "users", "contexts"):
        entries: dict[Any, Any] = {}
        for document in documents:
            for entry in document[section]:
                entries.setdefault(entry.get("name"), entry)
        merged[section] = list(entries.values())
    for document in documents:
        merged["current-context"] = merged["current-context"] or document.get("current-context") or ""
    return merged
