"""Arguments of a process, as a container or an annotation lists them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def kept_arguments(arguments: Sequence[str], names: Collection[str]) -> list[str]:
    """The arguments of these names, in their order: "--NAME=VALUE", or "--NAME" for one without a value. `names`
    have no dashes.

    A value may follow in the next argument. The next argument is no value if it begins with "-".
    """
    return [f"--{name}={value}" if value is not None else f"--{name}" for name, value in _parsed(arguments, names)]


def last_value(arguments: Sequence[str], name: str) -> str | None:
    """The value of the last argument of this name; "" for one without a value, None where there is none."""
    found = None
    for _, value in _parsed(arguments, (name,)):
        found = value or ""
    return found


def switch(arguments: Sequence[str], name: str) -> str | None:
    """The value of the last argument of this name, which is "true" without one; None where there is none."""
    found = last_value(arguments, name)
    return "true" if found == "" else found


def values_of(arguments: Sequence[str], name: str) -> list[str]:
    """The values of all arguments of this name, for one that may be repeated."""
    return [value for _, value in _parsed(arguments, (name,)) if value is not None]


def _parsed(arguments: Sequence[str], names: Collection[str]) -> Iterator[tuple[str, str | None]]:
    for number, argument in enumerate(arguments):
        if not argument.startswith("-"):
            continue
        name, separator, value = argument.lstrip("-").partition("=")
        if name not in names:
            continue
        if separator:
            yield name, value
        else:
            following = arguments[number + 1] if number + 1 < len(arguments) else "-"
            yield name, None if following.startswith("-") else following
