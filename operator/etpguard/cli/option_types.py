"""The type of `--fail-on`."""

from __future__ import annotations

from typing import Any

import click

from etpguard.outcomes import Outcome

OUTCOMES = tuple(Outcome.__members__)


class OutcomeName(click.Choice[str]):
    """An outcome in any case, converted to the spelling of `Outcome`."""

    def __init__(self) -> None:
        super().__init__(OUTCOMES, case_sensitive=False)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Without the default message's "did you mean" and brackets, and with the outcomes from best to worst."""
        return f"{value!r} is not one of {', '.join(self.choices)}."
