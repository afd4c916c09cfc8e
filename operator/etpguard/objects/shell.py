"""Commands for a shell, to copy. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import lru_cache


def command_line(words: Iterable[str]) -> str:
    """One line that bash and zsh split into exactly these words."""
    return " ".join(map(quoted, words))


@lru_cache(maxsize=256)  # most words are the same for many Services
def quoted(word: str) -> str:
    """A word of a command: printable, and in one line. A value with a line feed would else look like two commands,
    and so would one with another character at which Python splits lines."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    """In $'…'. Old versions of bash know only bytes there, and not \\u."""
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogatepass"))
