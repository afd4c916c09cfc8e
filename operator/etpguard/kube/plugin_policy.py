"""Which credential plugins may run: the policy for kubectl in `kuberc`.

As k8s.io/kubectl v0.37.2 pkg/kuberc/kuberc.go and marshal.go, and k8s.io/client-go v0.37.2
plugin/pkg/client/auth/exec/exec.go (ValidatePluginPolicy, checkAllowlistLocked). If kubectl cannot read the file
in the default place, it only warns, and runs every plugin. etpguard then runs none.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from etpguard.kube.errors import BadKubeconfig

_GROUP = "kubectl.config.k8s.io/"
_WITHOUT_POLICY = f"{_GROUP}v1alpha1"


class _Entry(msgspec.Struct, frozen=True):
    """`name` is the former name of `command`."""

    command: str = ""
    name: str = ""


class _Preference(msgspec.Struct, rename="camel", frozen=True):
    credential_plugin_policy: str | None = None
    credential_plugin_allowlist: list[_Entry] | None = None


def allowed(command: str) -> str:
    """The command to run for the plugin `command`. Raises BadKubeconfig if the policy does not allow it."""
    file = _file()
    preference = _read(file) if file else None
    if file is None or preference is None:
        return command
    policy, entries = preference.credential_plugin_policy or "", preference.credential_plugin_allowlist
    if policy in ("", "AllowAll") and entries is None:
        return command
    if policy == "DenyAll" and entries is None:
        raise BadKubeconfig(f"credential plugin {command}: {file} has credentialPluginPolicy DenyAll")
    names = {entry.command or entry.name for entry in entries or ()}
    if policy != "Allowlist" or not names or "" in names:
        raise BadKubeconfig(f"{file}: credentialPluginPolicy {policy!r} does not fit credentialPluginAllowlist")
    found = shutil.which(os.path.normpath(command))
    if found is None:
        raise BadKubeconfig(f"credential plugin {command}: No such file or directory")
    if not {command, os.path.normpath(command), found}.isdisjoint(names | {shutil.which(name) for name in names}):
        return found  # and no other one, which a PATH for the plugin could find
    raise BadKubeconfig(f"credential plugin {command}: it is not in the credentialPluginAllowlist of {file}")


def _file() -> Path | None:
    """The file; None if there is none, or if it is switched off."""
    named = os.environ.get("KUBERC", "")
    if named == "off" or os.environ.get("KUBECTL_KUBERC", "").lower() == "false":
        return None
    try:
        file = Path(named or "~/.kube/kuberc").expanduser()
    except RuntimeError as error:  # a user without a home directory, as in some containers
        if named:
            raise BadKubeconfig(f"KUBERC {named}: {error}") from None
        return None
    return file if named or file.exists() else None


def _read(file: Path) -> _Preference | None:
    """The first Preference of a version that has a policy."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents: list[Any] = list(yaml.load_all(file.read_bytes(), Loader=loader))
        for document in documents:
            if isinstance(document, dict) and document.get("kind") == "Preference":
                version = str(document.get("apiVersion", ""))
                if version.startswith(_GROUP):
                    return _Preference() if version == _WITHOUT_POLICY else msgspec.convert(document, _Preference)
    except OSError as error:
        raise BadKubeconfig(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise BadKubeconfig(f"{file}: {' '.join(str(error).split())}") from None
    return None
