"""Values of a policy that are a number or a percentage. Pure."""

from __future__ import annotations


def amount(value: int | str, whole: int) -> int:
    """An IntOrString as a number. Percentages of `whole` round down, but to 1 at least unless they are 0:
    otherwise nothing could ever happen in a small cluster."""
    if isinstance(value, str) and value.endswith("%"):
        percent = int(value[:-1])
        return max(1, whole * percent // 100) if percent else 0
    return int(value)


def allowance(services: str, whole: int) -> int:
    """A budget's `services` as a number. Percentages round up, so that only 0 means none."""
    if services.endswith("%"):
        return -(-whole * int(services[:-1]) // 100)
    return int(services)
