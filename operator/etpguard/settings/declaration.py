"""The one declaration of all settings.

The flags and variables of each command, `--help`, docs/reference.md, and the chart's `settings` with its schema
are all made from the fields of `Settings`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from etpguard.settings import values
from etpguard.settings.values import Address, ValueType

if TYPE_CHECKING:
    from etpguard.objects.scope import NamespaceScope

PREFIX = "ETPGUARD_"


class SettingsError(ValueError):
    """A bad value or an unknown variable: one line that names the flag or the variable."""


class Option(NamedTuple):
    """How a user gives one setting."""

    name: str
    type: ValueType
    help: str
    default: Any
    of_run: bool = True
    """Whether `etpguard run` has the setting. If not, only other commands have it."""

    @property
    def flag(self) -> str:
        return "--" + self.name.rstrip("_").replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.rstrip("_").upper()

    @property
    def default_text(self) -> str:
        """The default as a user writes it; "" for none."""
        return values.as_text(self.default)


def _setting(default: Any, type: ValueType, help: str, *, of_run: bool = True) -> Any:  # noqa: A002
    return field(default=default, metadata={"type": type, "help": help, "of_run": of_run})


_LISTEN = Address("", 8080)
_PAGE = Address("127.0.0.1", 8081)
_PAGE_HELP = "loopback address that serves the page of Services and nodes, for `kubectl port-forward`, or off"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Durations are in seconds."""

    kubeconfig: str = _setting(
        "", values.text("FILE"), "kubeconfig file; without it $KUBECONFIG, ~/.kube/config, or the pod's account"
    )
    context: str = _setting("", values.text("NAME"), "context of the kubeconfig; without it the current one")

    as_: str = _setting(
        "", values.text("USER"), "read as this user or system:serviceaccount:NAMESPACE:NAME", of_run=False
    )
    as_group: tuple[str, ...] = _setting(
        (), values.LINES, "read as a member of this group; needs --as; can be repeated", of_run=False
    )
    request_timeout: float = _setting(
        30.0,
        values.duration(1),
        "how long the API server may be silent before a request fails",
        of_run=False,
    )
    color: Literal["auto", "always", "never"] = _setting(
        "auto",
        values.one_of("WHEN", "auto", "always", "never"),
        "colour the table: auto (on a terminal, unless NO_COLOR is set), always or never",
        of_run=False,
    )

    namespaces: frozenset[str] = _setting(
        frozenset(),
        values.NAMESPACES,
        "report and remediate only Services in these namespaces, separated by commas",
    )
    skip_namespaces: frozenset[str] = _setting(
        frozenset(),
        values.NAMESPACES,
        "neither report nor remediate Services in these namespaces, separated by commas",
    )

    skip_api_groups: frozenset[str] = _setting(
        frozenset(),
        values.API_GROUPS,
        "do not read the kinds of these API groups, separated by commas; outcomes that depend on them are Unknown",
    )

    resync_interval: float = _setting(600.0, values.duration(5), "list each kind this often, give or take a tenth")
    watch_inactivity: float = _setting(
        70.0,
        values.duration(1),
        "reconnect a watch after this long without an event or bookmark; the API server sends a bookmark once a "
        "minute",
    )
    hold: float = _setting(
        30.0,
        values.duration(),
        "publish a change of outcome after it has lasted this long; metrics show it at once",
    )
    hold_urgent: float = _setting(
        5.0, values.duration(), "the same for the outcomes Blackhole, NoTargets and Outage"
    )

    condition_interval: float = _setting(
        60.0, values.duration(1), "least time between two writes of the conditions of one Service"
    )
    event_interval: float = _setting(60.0, values.duration(1), "least time between two Events about one object")

    write_conditions: bool = _setting(
        True,
        values.switch(),
        "write the conditions etpguard.dev/Covered and CoveredInternally to Services",
    )
    write_reports: bool = _setting(True, values.switch(), "write ServiceCoverage objects")
    write_events: bool = _setting(True, values.switch(), "write Events")

    remediation: bool = _setting(
        True, values.switch(), "follow CoveragePolicies; without a policy etpguard changes no Service"
    )
    max_remediations: tuple[int, int] = _setting(
        (1, 600), values.QUOTA, "remediate at most this many Services in this time, whatever the policies allow"
    )
    breaker: int | str = _setting(
        "40%",
        values.SHARE,
        "circuit breaker: remediate nothing while more Services than this number, or this share of all Services "
        "with Local, need it",
    )

    leader_elect: bool = _setting(True, values.switch(), "write only while this replica holds the Lease")
    lease_namespace: str = _setting(
        "", values.text("NAME"), "namespace of the Lease; without it the namespace of the pod or of the context"
    )
    lease_name: str = _setting("etpguard", values.text("NAME"), "name of the operator's Lease")
    second_installation: Literal["refuse", "allow"] = _setting(
        "refuse",
        values.one_of("refuse|allow", "refuse", "allow"),
        "refuse to lead while another operator renews a Lease of this name in another namespace, or allow it",
    )
    lease_duration: float = _setting(
        15.0, values.duration(3), "another replica may take the Lease after this long without a renewal"
    )

    data_plane: str = _setting(
        "auto",
        values.DATA_PLANES,
        "data plane that forwards node ports: auto, kube-proxy, cilium, calico-ebpf, ovn-kubernetes, antrea, "
        "kube-router, winkernel or other; NAME:LABEL-SELECTOR is for the nodes that it selects; semicolons "
        "separate entries",
    )
    answers_everywhere_ports: tuple[int, ...] = _setting(
        (), values.PORTS, "ports on which every node answers health checks, separated by commas"
    )
    aws_lbc_default_target_type: Literal["instance", "ip"] | None = _setting(
        None,
        values.one_of("TYPE", "instance", "ip"),
        "--default-target-type of the AWS Load Balancer Controller: instance or ip",
    )
    aws_lbc_ingress_class: str | None = _setting(
        None, values.text("NAME"), "--ingress-class of the AWS Load Balancer Controller"
    )
    aws_lbc_fail_open: bool | None = _setting(
        None, values.switch("true", "false"), "feature gate EndpointsFailOpen of the AWS Load Balancer Controller"
    )
    aws_lbc_max_targets: int | None = _setting(
        None, values.COUNT, "--max-targets-per-target-group of the AWS Load Balancer Controller"
    )
    aws_lbc_deployment: str = _setting(
        "",
        values.OBJECT,
        "Deployment of the AWS Load Balancer Controller; etpguard reads these options from its arguments",
    )

    listen: Address = _setting(_LISTEN, values.ADDRESS, "address that serves /metrics, /readyz and /livez")  # noqa: RUF009
    tls_cert_file: str = _setting(
        "",
        values.text("FILE"),
        "PEM file with the certificate of --listen, then its intermediate certificates; read again when it "
        "changes; without it HTTP",
    )
    tls_private_key_file: str = _setting(
        "", values.text("FILE"), "PEM file with the private key of --tls-cert-file, not encrypted"
    )
    page: Address | None = _setting(_PAGE, values.PAGE, _PAGE_HELP)  # noqa: RUF009
    metrics_per_service: Literal["all", "affected"] = _setting(
        "all",
        values.one_of("all|affected", "all", "affected"),
        "export the series of all Services with Local, or only of those with an outcome worse than Covered",
    )
    log_format: Literal["text", "json"] = _setting(
        "text", values.one_of("text|json", "text", "json"), "format of the log: text or json"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info",
        values.one_of("LEVEL", "debug", "info", "warning", "error"),
        "least severe level that is logged: debug, info, warning or error",
    )

    def __post_init__(self) -> None:
        if both := self.namespaces & self.skip_namespaces:
            raise SettingsError(f"--namespaces and --skip-namespaces both name {min(both)}")
        if self.as_group and not self.as_:
            raise SettingsError("--as-group needs --as")
        if bool(self.tls_cert_file) != bool(self.tls_private_key_file):
            raise SettingsError("--tls-cert-file and --tls-private-key-file need each other")

    @property
    def aws_lbc_options(self) -> dict[str, Any]:
        """The options of the AWS Load Balancer Controller that were given, by the field of `AwsOptions`."""
        names = ("default_target_type", "ingress_class", "fail_open", "max_targets")
        given = {name: getattr(self, f"aws_lbc_{name}") for name in names}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def scope(self) -> NamespaceScope:
        """The namespaces whose Services are reported and remediated."""
        from etpguard.objects.scope import NamespaceScope  # `etpguard --help` would load msgspec for it

        return NamespaceScope(self.namespaces, self.skip_namespaces)


def options() -> Iterator[Option]:
    """All settings, in the order in which help shows them."""
    for each in dataclasses.fields(Settings):
        yield Option(
            each.name, each.metadata["type"], each.metadata["help"], each.default, each.metadata["of_run"]
        )
