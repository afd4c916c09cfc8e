"""Settings from flags and environment variables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from etpguard.settings.declaration import PREFIX, Settings, SettingsError, options

_SHOWN = 100
"""How many characters of a bad value an error shows."""

_INJECTED = (
    r"ETPGUARD(_[A-Z0-9_]+)?"
    r"_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""Kubernetes sets these variables in a pod for each Service of its namespace, so also for one named `etpguard` or
`etpguard-metrics`. kubernetes v1.37 pkg/kubelet/envvars/envvars.go."""


def parse(
    flags: Mapping[str, str | None],
    environment: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> Settings:
    """Settings from flags, else from ETPGUARD_* variables, else the defaults.

    `flags` is by the name of the field; None for a flag that was not given. `only` names the settings that a
    command has: it ignores the variables of the others.

    Raises SettingsError for a bad value, or for an ETPGUARD_* variable that is not the variable of any setting.
    """
    environment = environment or {}
    _refuse_unknown(environment)
    found: dict[str, Any] = {}
    for each in options():
        if only is not None and each.name not in only:
            continue
        given, source = flags.get(each.name), each.flag
        if given is None:
            given, source = environment.get(each.variable), each.variable
        if given is None:
            continue
        try:
            found[each.name] = each.type.parse(given)
        except ValueError as error:
            raise SettingsError(f"{source}={given[:_SHOWN]!r}: expected {error}") from None
    return Settings(**cast(Any, found))


def _refuse_unknown(names: Iterable[str]) -> None:
    known = {each.variable for each in options()}
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in known and not re.fullmatch(_INJECTED, name):
            raise SettingsError(f"{name[:_SHOWN]}: etpguard has no setting of this name{_suggestion(name, known)}")


def _suggestion(name: str, known: Collection[str]) -> str:
    import difflib  # only where there is an error

    ends = sorted(each.removeprefix(PREFIX) for each in known)
    near = difflib.get_close_matches(name[:_SHOWN].removeprefix(PREFIX).upper(), ends, n=1, cutoff=0.7)
    return f"; did you mean {PREFIX}{near[0]}?" if near else "; `etpguard run --help` lists all variables"
