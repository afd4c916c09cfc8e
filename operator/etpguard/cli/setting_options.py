"""Command-line options that are settings. Their names, values, defaults and help come from `etpguard.settings`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from etpguard.cli.errors import Failure
from etpguard.cli.option_types import OnceOption
from etpguard.settings import Option, Settings, SettingsError, options, parse

F = TypeVar("F", bound=Callable[..., Any])

CLUSTER = ("kubeconfig", "context")
"""The settings of each command that connects to a cluster."""

READING = (*CLUSTER, "as_", "as_group", "request_timeout")
"""The settings of each command that only reads a cluster."""

CONTROLLER_DEPLOYMENT = "aws_lbc_deployment"

ASSESSMENT = (
    "data_plane",
    "answers_everywhere_ports",
    "aws_lbc_default_target_type",
    "aws_lbc_ingress_class",
    "aws_lbc_fail_open",
    "aws_lbc_max_targets",
    CONTROLLER_DEPLOYMENT,
)
"""The settings of each command that assesses Services: facts that no API object shows."""

_BY_NAME = {each.name: each for each in options()}
OF_RUN = tuple(name for name, option in _BY_NAME.items() if option.of_run)


def flag(name: str) -> str:
    """The flag of this setting."""
    return _BY_NAME[name].flag


def setting_options(names: Sequence[str], several: Sequence[str] = ()) -> Callable[[F], F]:
    """Add an option for each of these settings. The command gets the text of each, or None if it was not given;
    for those in `several`, which can be repeated, a tuple of texts."""

    def add(command: F) -> F:
        for name in reversed(names):
            option = _BY_NAME[name]
            how: dict[str, Any] = {"multiple": True}
            if not option.type.separator and name not in several:
                how = {"cls": OnceOption}
            metavar, text = option.type.metavar, _help(option, name in several)
            command = click.option(option.flag, name, metavar=metavar, help=text, **how)(command)
        return command

    return add


def take_settings(given: dict[str, Any], names: Sequence[str], without: Sequence[str] = ()) -> Settings:
    """The settings of a command whose options are `names`; removes them from `given`, its parameters.

    `without`: the settings that do not apply to this call, so that their variables are ignored. Raises Failure.
    """
    flags = {name: _text(name, given.pop(name)) for name in names}
    try:
        return parse(flags, os.environ, [name for name in names if name not in without])
    except SettingsError as error:
        raise Failure(str(error)) from None


def _text(name: str, given: str | tuple[str, ...] | None) -> str | None:
    """The text of a flag, None if it was not given. The values of a repeated one are joined."""
    if isinstance(given, tuple):
        return _BY_NAME[name].type.separator.join(given) or None
    return given


def _help(option: Option, several: bool) -> str:
    default = f"; default: {option.default_text}" if option.default_text else ""
    return f"{option.help}{'; can be repeated' if several else ''}  [env var: {option.variable}{default}]"
