"""The types of setting values: how each is written, how it is parsed, and its JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# NamedTuples, because a frozen dataclass takes 0.45 ms to create, and each command creates these at its start.


class Address(NamedTuple):
    """The address to listen on. With `host` "", every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ValueType(NamedTuple):
    """`parse` raises ValueError with what it expects. `schema` is the JSON schema of the text, for the chart; it
    accepts no text that `parse` refuses for its form. `separator` joins the values of a flag that is given several
    times; "" if that is not possible."""

    metavar: str
    parse: Callable[[str], Any]
    schema: Mapping[str, Any]
    separator: str = ""


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
_LONGEST_SECONDS = 8760 * 3600.0
_LARGEST = 999_999_999
"""Python refuses to read numbers of thousands of digits, and no setting needs a larger number."""


def seconds(text: str) -> float:
    """`10m`, `1h30m`, `500ms`; a number without a unit is in seconds."""
    whole = f"{text}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text
    if not re.fullmatch(f"(?:{_DURATION})+", whole):
        raise ValueError("a duration such as 30s or 10m")
    total = sum(float(n) * _UNITS[unit] for n, unit in re.findall(_DURATION, whole))
    if total > _LONGEST_SECONDS:
        raise ValueError("a duration of 8760h at most")
    return total


def number(text: str, least: int = 0, most: int = _LARGEST) -> int | None:
    """A number within these bounds, in digits only; None for any other text."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    value = int(text)
    return value if least <= value <= most else None


def on_off(text: str) -> bool:
    match text.lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0":
            return False
    raise ValueError("on or off")


def namespaces(text: str) -> frozenset[str]:
    """A comma-separated list of namespaces."""
    found = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(found):
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise ValueError(f"names of namespaces separated by commas, but {name!r} is not one")
    return found


def api_groups(text: str) -> frozenset[str]:
    """A comma-separated list of API groups."""
    found = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(found):
        if len(name) > 253 or not re.fullmatch(r"[a-z0-9][-a-z0-9.]*[a-z0-9]", name):
            raise ValueError(f"API groups separated by commas, but {name!r} is not one")
    return found


def lines(text: str) -> tuple[str, ...]:
    """One value a line, for values that may contain any other separator."""
    return tuple(line for line in text.split("\n") if line)


def port(text: str) -> int:
    if (found := number(text, 1, 65535)) is None:
        raise ValueError("port numbers separated by commas")
    return found


def ports(text: str) -> tuple[int, ...]:
    return tuple(sorted({port(each.strip()) for each in text.split(",") if each.strip()}))


def address(text: str) -> Address:
    """`:8080`, `127.0.0.1:8080`, `[::1]:8080`; port 0 picks a free one."""
    import ipaddress  # 2 ms that only --listen needs (python -X importtime)

    host, separator, digits = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    listened = number(digits, 0, 65535)
    if not separator or listened is None:
        raise ValueError("ADDRESS:PORT")
    if host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError("ADDRESS:PORT with an IP address") from None
    return Address(host, listened)


def page(text: str) -> Address | None:
    """`off`, or a loopback address: so only users who may forward a port to the pod can read the page."""
    import ipaddress

    if text.lower() in ("off", "false", "no", "0"):
        return None
    try:
        found = address(text)
    except ValueError:
        found = Address("", 0)
    if not found.host or not ipaddress.ip_address(found.host).is_loopback:
        raise ValueError("off, or a loopback ADDRESS:PORT such as 127.0.0.1:8081")
    return found


def count(text: str) -> int:
    if (found := number(text)) is None:
        raise ValueError(f"a number from 0 to {_LARGEST}")
    return found


def object_name(text: str) -> str:
    if text and not re.fullmatch(r"[^/\s]+/[^/\s]+", text):
        raise ValueError("NAMESPACE/NAME")
    return text


def quota(text: str) -> tuple[int, int]:
    """`1/600s`: at most this many in this many seconds."""
    digits, slash, duration = text.partition("/")
    most = number(digits)
    if not slash or most is None:
        raise ValueError("a number and a duration, such as 1/600s")
    window = seconds(duration)
    if not 1 <= window <= 604800:
        raise ValueError("a duration from 1s to 168h")
    return most, round(window)


def share(text: str) -> int | str:
    """A number, or a percentage from 0% to 100%."""
    percent = text.endswith("%")
    found = number(text.removesuffix("%"), most=100 if percent else _LARGEST)
    if found is None:
        raise ValueError("a number or a percentage such as 40%")
    return f"{found}%" if percent else found


def data_planes(text: str) -> str:
    """A name of `DATA_PLANE_NAMES`, or entries as `assess.data_planes.choice` reads them. Returns `text`."""
    if text not in DATA_PLANE_NAMES:
        from etpguard.assess.data_planes.choice import (
            Choice,
        )  # this import loads the rules, which `--help` does not need

        Choice.parse(text)
    return text


def _pattern(pattern: str) -> Mapping[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$"}


_ONE_DURATION = r"[0-9]+(\.[0-9]+)?(ms|s|m|h)"
_DURATION_SCHEMA = rf"([0-9]+(\.[0-9]+)?(ms|s|m|h)?|({_ONE_DURATION}){{2,}})"


def _list_of(one: str) -> Mapping[str, Any]:
    """Separated by commas, with blanks around each and nothing between two commas."""
    return _pattern(rf"[ ,]*({one}( *,[ ,]*| *$))*")


_BYTE = "(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"

NAMESPACES = ValueType("NAMES", namespaces, _list_of("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"))
API_GROUPS = ValueType("GROUPS", api_groups, _pattern("[-a-z0-9., ]*"))
PORTS = ValueType("PORTS", ports, _list_of(_PORT))
COUNT = ValueType("N", count, _pattern("[0-9]{1,9}"))
QUOTA = ValueType("N/DURATION", quota, _pattern(f"[0-9]{{1,9}}/{_DURATION_SCHEMA}"))
SHARE = ValueType("N|N%", share, _pattern("([0-9]{1,9}|(100|[0-9]{1,2})%)"))
ADDRESS = ValueType("ADDRESS:PORT", address, _pattern(r".*:[0-9]{1,5}"))
PAGE = ValueType("off|ADDRESS:PORT", page, _pattern(rf"(off|false|(127(\.{_BYTE}){{3}}|\[::1\]):{_PORT})"))
DATA_PLANE_NAMES = (
    "auto",
    "kube-proxy",
    "cilium",
    "calico-ebpf",
    "ovn-kubernetes",
    "antrea",
    "kube-router",
    "winkernel",
    "other",
)
_ENTRY = rf"({'|'.join(DATA_PLANE_NAMES)})(:[^;]+)?"
DATA_PLANES = ValueType("NAME[:SELECTOR]", data_planes, _pattern(f"{_ENTRY}(;{_ENTRY})*"), separator=";")
OBJECT = ValueType("NAMESPACE/NAME", object_name, _pattern(r"([^/\s]+/[^/\s]+)?"))


LINES = ValueType("NAME", lines, {"type": "string"}, separator="\n")


def text(metavar: str) -> ValueType:
    return ValueType(metavar, str, {"type": "string"})


def duration(least_seconds: float = 0.0) -> ValueType:
    def parse(given: str) -> float:
        value = seconds(given)
        if value < least_seconds:
            raise ValueError(f"at least {least_seconds:g}s")
        return value

    return ValueType("DURATION", parse, _pattern(_DURATION_SCHEMA))


def switch(on: str = "on", off: str = "off") -> ValueType:
    """`on` and `off` are the words that help shows; the others of `on_off` are accepted too."""

    def parse(given: str) -> bool:
        try:
            return on_off(given)
        except ValueError:
            raise ValueError(f"{on} or {off}") from None

    return ValueType(f"{on}|{off}", parse, {"enum": ["true", "false", "on", "off"]})


def one_of(metavar: str, *choices: str) -> ValueType:
    def parse(given: str) -> str:
        if given not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return given

    return ValueType(metavar, parse, {"enum": list(choices)})


def as_text(value: Any) -> str:
    """The text of a parsed value, as a user writes it; "" for none."""
    match value:
        case bool():
            return "on" if value else "off"
        case float():
            return _duration_text(value)
        case int(many), int(window):
            return f"{many}/{_duration_text(window)}"
        case None | () | frozenset():
            return ""
    return str(value)


def _duration_text(value: float) -> str:
    for size, unit in ((3600, "h"), (60, "m"), (1, "s")):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{value:g}s"
