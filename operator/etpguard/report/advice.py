"""Advice as the strings of reports. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from etpguard.assess.consumers.consumer import Advice
from etpguard.objects.events import clip_note

A = TypeVar("A")
MAX_BYTES = 1024


def advice_text(advice: Advice) -> str:
    """One item of advice in at most 1 KiB. The command is whole or left out: a part of one would do something
    else. It never stands without the effect, which may name a step to do first."""
    command = f"Command: {'; '.join(advice.command.splitlines())}" if advice.command else ""
    effect, cost = advice.effect, advice.cost
    for parts in ((effect, cost, command), (effect, command), (effect, cost), (effect,)):
        text = " ".join([f"{advice.title}.", *filter(None, parts)])
        if len(text.encode()) <= MAX_BYTES:
            return text
    return clip_note(f"{advice.title}. {advice.effect}")


def advice_texts(advisor: Callable[[A], Iterable[Advice]]) -> Callable[[A], list[str]]:
    """The advisor with its advice as strings."""
    return lambda assessment: [advice_text(advice) for advice in advisor(assessment)]
