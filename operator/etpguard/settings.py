"""All settings of the operator: one frozen dataclass, each field with its flag and environment variable."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from etpguard.objects.scope import NamespaceScope


class SettingsError(ValueError):
    """A bad value; one line that names the flag or the variable."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `host` "" is every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is given. `parse` raises ValueError saying what it wants."""

    name: str
    metavar: str
    help: str
    default: Any
    parse: Callable[[str], Any]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def environment(self) -> str:
        return "ETPGUARD_" + self.name.upper()


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
_LONGEST = 8760 * 3600.0
_LARGEST = 999_999_999
"""Python refuses to read numbers of thousands of digits, and no setting needs a tenth."""


def seconds(text: str) -> float:
    """`10m`, `1h30m`, `500ms`; a bare number is in seconds."""
    whole = f"{text}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text
    if not re.fullmatch(f"(?:{_DURATION})+", whole):
        raise ValueError("a duration such as 30s or 10m")
    total = sum(float(n) * _UNITS[unit] for n, unit in re.findall(_DURATION, whole))
    if total > _LONGEST:
        raise ValueError("a duration of 8760h at most")
    return total


def number(text: str, least: int = 0, most: int = _LARGEST) -> int | None:
    """A number within these bounds, in digits alone; None for any other text."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    value = int(text)
    return value if least <= value <= most else None


def at_least(least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = seconds(text)
        if value < least:
            raise ValueError(f"at least {least:g}s")
        return value

    return parse


def on_off(text: str) -> bool:
    match text.lower():
        case "on" | "true" | "yes" | "1":
            return True
        case "off" | "false" | "no" | "0":
            return False
    raise ValueError("on or off")


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def names(text: str) -> frozenset[str]:
    """A comma-separated list of namespaces."""
    found = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(found):
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise ValueError(f"names of namespaces separated by commas; {name!r} is none")
    return found


def port(text: str) -> int:
    if (found := number(text, 1, 65535)) is None:
        raise ValueError("a port number")
    return found


def ports(text: str) -> tuple[int, ...]:
    return tuple(sorted({port(each.strip()) for each in text.split(",") if each.strip()}))


def address(text: str) -> Address:
    """`:8080`, `127.0.0.1:8080`, `[::1]:8080`; port 0 picks a free one."""
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


def text(value: str) -> str:
    return value


def count(value: str) -> int:
    if (found := number(value)) is None:
        raise ValueError(f"a number from 0 to {_LARGEST}")
    return found


def object_name(value: str) -> str:
    if value and not re.fullmatch(r"[^/\s]+/[^/\s]+", value):
        raise ValueError("NAMESPACE/NAME")
    return value


def quota(text: str) -> tuple[int, int]:
    """`1/600s`: at most so many in so many seconds."""
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


def option(default: Any, parse: Callable[[str], Any], metavar: str, help: str) -> Any:  # noqa: A002
    return field(default=default, metadata={"parse": parse, "metavar": metavar, "help": help})


DEFAULT_LISTEN = Address("", 8080)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Durations are in seconds."""

    kubeconfig: str = option(
        "", text, "FILE", "kubeconfig; by default $KUBECONFIG, ~/.kube/config, or the pod's own"
    )
    context: str = option("", text, "NAME", "context of the kubeconfig")

    namespaces: frozenset[str] = option(
        frozenset(), names, "NAMES", "speak of Services in these namespaces only, separated by commas"
    )
    skip_namespaces: frozenset[str] = option(frozenset(), names, "NAMES", "say nothing of Services in these")

    resync_interval: float = option(
        600.0, at_least(5), "DURATION", "time between two full lists of a kind, give or take a tenth"
    )
    watch_inactivity: float = option(
        70.0, at_least(1), "DURATION", "a watch silent for so long is dialled anew (bookmarks come once a minute)"
    )
    hold: float = option(30.0, seconds, "DURATION", "how long an outcome must last before it is written anywhere")
    hold_urgent: float = option(5.0, seconds, "DURATION", "the same for Blackhole, NoTargets and Outage")

    write_conditions: bool = option(True, on_off, "on|off", "write the condition etpguard.dev/Covered to Services")
    write_reports: bool = option(True, on_off, "on|off", "write ServiceCoverage objects")
    write_events: bool = option(True, on_off, "on|off", "write Events")

    remediation: bool = option(
        True, on_off, "on|off", "heed CoveragePolicies; without one nothing is ever changed, on or off"
    )
    max_remediations: tuple[int, int] = option(
        (1, 600), quota, "N/DURATION", "change at most so many Services in so long, whatever policies allow"
    )
    breaker: int | str = option(
        "40%", share, "N|N%", "change none while more Services than that are in need of it"
    )

    leader_elect: bool = option(True, on_off, "on|off", "write only while holding the Lease")
    lease_namespace: str = option(
        "", text, "NAME", "namespace of the Lease; by default the pod's or the context's"
    )
    lease_name: str = option("etpguard", text, "NAME", "name of the Lease")
    lease_duration: float = option(15.0, at_least(3), "DURATION", "how long the Lease is held without a renewal")

    data_plane: Literal["auto", "kube-proxy", "cilium", "other"] = option(
        "auto",
        one_of("auto", "kube-proxy", "cilium", "other"),
        "NAME",
        "what forwards node ports: auto, kube-proxy, cilium or other",
    )
    answers_everywhere_ports: tuple[int, ...] = option(
        (), ports, "PORTS", "ports on which every node answers health checks, separated by commas"
    )
    aws_lbc_default_target_type: Literal["instance", "ip"] | None = option(
        None, one_of("instance", "ip"), "TYPE", "the AWS LBC's --default-target-type"
    )
    aws_lbc_ingress_class: str | None = option(None, text, "NAME", "the AWS LBC's --ingress-class")
    aws_lbc_fail_open: bool | None = option(
        None, on_off, "true|false", "the AWS LBC's feature gate EndpointsFailOpen"
    )
    aws_lbc_max_targets: int | None = option(None, count, "N", "the AWS LBC's --max-targets-per-target-group")
    aws_lbc_deployment: str = option(
        "", object_name, "NAMESPACE/NAME", "Deployment of the AWS LBC to read these from"
    )

    listen: Address = option(  # noqa: RUF009  a frozen default
        DEFAULT_LISTEN, address, "ADDRESS:PORT", "where to serve /metrics, /readyz and /livez"
    )
    metrics_per_service: Literal["all", "affected"] = option(
        "all",
        one_of("all", "affected"),
        "all|affected",
        "export series of all Services with Local, or of those that are worse than Covered",
    )
    log_format: Literal["text", "json"] = option("text", one_of("text", "json"), "text|json", "format of the log")
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", one_of("debug", "info", "warning", "error"), "LEVEL", "debug, info, warning or error"
    )

    def __post_init__(self) -> None:
        if both := self.namespaces & self.skip_namespaces:
            raise SettingsError(f"--namespaces and --skip-namespaces both name {min(both)}")

    @property
    def scope(self) -> NamespaceScope:
        """The namespaces whose Services are reported and remediated."""
        return NamespaceScope(self.namespaces, self.skip_namespaces)


def options() -> Iterator[Option]:
    """All settings, in the order in which help shows them."""
    for each in dataclasses.fields(Settings):
        meta = each.metadata
        yield Option(each.name, meta["metavar"], meta["help"], each.default, meta["parse"])


def parse(flags: Mapping[str, str | None], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from flags by the name of the field, else from ETPGUARD_* variables, else defaults.

    Raises SettingsError for a bad value, or a variable ETPGUARD_* that is none.
    """
    values: dict[str, Any] = {}
    for each in options():
        given, source = flags.get(each.name), each.flag
        if given is None and environment is not None:
            given, source = environment.get(each.environment), each.environment
        if given is None:
            continue
        try:
            values[each.name] = each.parse(given)
        except ValueError as error:
            raise SettingsError(f"{source}={given[:100]!r}: expected {error}") from None
    return Settings(**cast(Any, values))
