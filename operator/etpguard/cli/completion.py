"""Completion of commands and options: for a shell, and for `kubectl etpguard`."""

from __future__ import annotations

from collections.abc import Sequence

from click import Command
from click.shell_completion import ShellComplete, get_completion_class

from etpguard.cli.errors import Failure

PROGRAM, VARIABLE = "etpguard", "_ETPGUARD_COMPLETE"
_NO_FILES = 4
"""The directive with which cobra adds no names of files: ShellCompDirectiveNoFileComp."""


def script(command: Command, shell: str) -> str:
    """The lines that a shell reads at its start. Raises Failure if the shell is too old."""
    found = get_completion_class(shell)
    if found is None:
        raise Failure(f"completion: no completion for {shell}")
    try:
        return found(command, {}, PROGRAM, VARIABLE).source()
    except RuntimeError as error:
        raise Failure(f"completion: {error}") from None


def answer(command: Command, words: Sequence[str]) -> list[str]:
    """What kubectl shows for `kubectl etpguard WORDS`; the last word is not complete. A line for each completion,
    with its help after a tab, and then the directive for cobra."""
    *before, incomplete = words or [""]
    found = ShellComplete(command, {}, PROGRAM, VARIABLE).get_completions(list(before), incomplete)
    lines = [f"{item.value}\t{item.help.splitlines()[0]}" if item.help else str(item.value) for item in found]
    return [*lines, f":{_NO_FILES}"]
