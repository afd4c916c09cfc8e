"""Options and arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from etpguard.cli.option_types import NEVER, OnceOption, OutcomeName
from etpguard.cli.setting_options import (
    ASSESSMENT,
    CONTROLLER_DEPLOYMENT,
    READING,
    flag,
    setting_options,
    take_settings,
)

F = TypeVar("F", bound=Callable[..., Any])

_MOST_NODES = 1_000_000
"""More than any cluster has."""
SOURCE_SETTINGS = (*READING, *ASSESSMENT)
_OF_A_CLUSTER = (*READING, CONTROLLER_DEPLOYMENT)
"""The settings that do not apply to files."""

service_namespace = click.option(
    "-n",
    "--namespace",
    cls=OnceOption,
    metavar="NS",
    help="the namespace of SERVICE, if the argument has none; without it the namespace of the context",
)


internal = click.option(
    "--internal",
    is_flag=True,
    help="--fail-on also counts Services with internalTrafficPolicy: Local; one that clients on some nodes do not "
    "reach counts as Blackhole",
)


def fail_on(help: str) -> Callable[[F], F]:  # noqa: A002
    return click.option(
        "--fail-on", type=OutcomeName(NEVER), default="Blackhole", show_default=True, metavar="OUTCOME", help=help
    )


def max_nodes(default: int, help: str) -> Callable[[F], F]:  # noqa: A002
    bounded = click.IntRange(0, _MOST_NODES)
    return click.option("--max-nodes", type=bounded, default=default, show_default=True, metavar="N", help=help)


def output_format(*formats: str) -> Callable[[F], F]:
    """The option -o. The first format is the default."""
    chosen = click.Choice(formats)
    return click.option("-o", "--output", type=chosen, default=formats[0], show_default=True, help="output format")


def sources(command: F, several: Sequence[str] = (), further: Sequence[str] = ()) -> F:
    """The options of a command that reads files or a cluster and assesses the Services. The settings in `several`
    can be repeated. `further` are settings that other commands do not have."""
    files = click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        metavar="FILE|DIR|-",
        help="read the output of `kubectl get -o json|yaml` instead of a cluster; can be repeated",
    )
    return files(setting_options((*SOURCE_SETTINGS, *further), several)(command))


def take_sources(
    options: dict[str, Any],
    namespaces: Sequence[str] | None,
    *,
    further: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Any:
    """The Sources of a command with the options of `sources`; removes them from `options`. `without`: settings
    whose variables do not apply to this call."""
    from etpguard.cli.input.sources import Sources

    files = options.pop("files")
    for name in _OF_A_CLUSTER if files else ():
        if options[name]:
            raise click.UsageError(f"-f and {flag(name)} exclude each other")
    settings = take_settings(options, (*SOURCE_SETTINGS, *further), without=_OF_A_CLUSTER if files else without)
    return Sources(files=files, namespaces=namespaces, settings=settings)


_KIND_PREFIXES = ("svc", "service", "services")


def service_name(service: str, namespace: str | None) -> tuple[str | None, str]:
    """Namespace and name of NAMESPACE/SERVICE, or of SERVICE with -n; None for the namespace of the context. With
    -n, SERVICE may have the prefix that kubectl takes and prints."""
    space, slash, name = service.rpartition("/")
    if namespace and space in _KIND_PREFIXES:
        space, slash = "", ""
    if not name or "/" in space or (slash and not space):
        raise click.UsageError(f"{service!r} is not NAMESPACE/SERVICE")
    if slash and namespace and namespace != space:
        raise click.UsageError(f"{service!r} is not in the namespace {namespace!r}")
    return space or namespace, name


def only(namespace: str | None) -> tuple[str, ...] | None:
    """The namespaces of a command that is about this one; None for the namespace of the context."""
    return (namespace,) if namespace else None
