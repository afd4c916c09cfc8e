"""The types of option values, and options that may be given once."""

from __future__ import annotations

from typing import Any

import click

from etpguard.outcomes import Outcome
from etpguard.settings import values

OUTCOMES = tuple(Outcome.__members__)


class OnceOption(click.Option):
    """An option with one value that may be given only once. click itself would use the last value silently."""

    def __init__(self, *declarations: Any, **attributes: Any) -> None:
        super().__init__(*declarations, **{**attributes, "multiple": True})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The value; the default if the user gave none. Raises click.UsageError for several values."""
        found = super().process_value(ctx, value) or ()
        if len(found) > 1:
            raise click.UsageError(f"{self.opts[-1]} is given {len(found)} times, but takes one value", ctx)
        return found[0] if found else None


NEVER = "never"
"""As the value of `--fail-on`: no outcome fails."""


class OutcomeName(click.Choice[str]):
    """An outcome in any case, converted to the spelling of `Outcome`, or one of `further`."""

    def __init__(self, *further: str) -> None:
        super().__init__((*OUTCOMES, *further), case_sensitive=False)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """The message names the outcomes from best to worst, without the brackets and the "did you mean" of
        click."""
        return f"{value!r} is not one of {', '.join(self.choices)}."


class LabelSelector(click.ParamType[str]):
    """A label selector as kubectl accepts it. The value is its text."""

    name = "selector"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value:
            # Not imported for an empty selector: 40 ms, before a live command sends requests.
            from etpguard.assess.node_selection import label_selector

            if label_selector(value) is None:
                self.fail(f"{value!r} is not a label selector that etpguard reads", param, ctx)
        return value


class Seconds(click.ParamType[float]):
    """A duration such as 30s or 10m, of at least `least` seconds."""

    name = "duration"

    def __init__(self, least: float) -> None:
        self._parse = values.duration(least).parse

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else float(self._parse(value))
        except ValueError as error:
            self.fail(f"{value!r}: expected {error}", param, ctx)
