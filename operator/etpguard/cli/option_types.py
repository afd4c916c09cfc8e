"""The values that options take, beyond those that click knows."""

from __future__ import annotations

from typing import Any

import click

from etpguard.outcomes import Outcome

OUTCOMES = tuple(Outcome.__members__)


class Ports(click.ParamType[tuple[int, ...]]):
    """Port numbers separated by commas."""

    name = "ports"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        from etpguard.settings import ports

        if isinstance(value, tuple):
            return value
        try:
            return ports(str(value))
        except ValueError:
            self.fail(f"{str(value)[:100]!r} is not a list of port numbers separated by commas", param, ctx)


class Bool(click.ParamType[bool]):
    """As the operator's setting takes it."""

    name = "true|false"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        from etpguard.settings import on_off

        try:
            return on_off(str(value))
        except ValueError:
            self.fail(f"{str(value)[:100]!r} is neither true nor false", param, ctx)


class OutcomeName(click.Choice[str]):
    """In whatever case; told as it is written."""

    def __init__(self) -> None:
        super().__init__(OUTCOMES, case_sensitive=False)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{value!r} is not one of {', '.join(self.choices)}."
