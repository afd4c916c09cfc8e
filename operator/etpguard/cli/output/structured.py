"""JSON and YAML for people and programs."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import msgspec


def formatted(value: object) -> bytes:
    """JSON with an indent of 2, without a line feed at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def formatted_entry(value: object) -> bytes:
    """`formatted` at the indent of an entry of a list that is a field of the document."""
    return msgspec.json.format(b"[[%b]]" % msgspec.json.encode(value), indent=2)[_BEFORE:-_AFTER]


_BEFORE, _AFTER = map(len, msgspec.json.format(b"[[0]]", indent=2).split(b"0"))


def print_json(value: object) -> None:
    """Print to stdout in UTF-8, whatever the encoding of the terminal: JSON has no other."""
    sys.stdout.flush()
    sys.stdout.buffer.write(formatted(value) + b"\n")


def write_yaml(value: object, to: TextIO) -> None:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    whole = type("_Whole", (dumper,), {"ignore_aliases": lambda self, data: True})  # no "*id001" for a shared list
    yaml.dump(value, to, Dumper=whole, sort_keys=False, allow_unicode=True)
