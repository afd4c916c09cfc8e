"""JSON and YAML for people and programs."""

from __future__ import annotations

import sys
from typing import TextIO

import msgspec


def formatted(value: object) -> bytes:
    """JSON with an indent of 2, without a line feed at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def print_json(value: object) -> None:
    """Print to stdout in UTF-8, whatever the encoding of the terminal: JSON has no other."""
    sys.stdout.flush()
    sys.stdout.buffer.write(formatted(value) + b"\n")


def write_yaml(value: object, to: TextIO) -> None:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    yaml.dump(value, to, Dumper=dumper, sort_keys=False, allow_unicode=True)
